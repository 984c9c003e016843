"""Put a finished run into the package as a bundled model, with its trade-off curve.

    python scripts/bundle.py runs/digits vae/digits [--scores]

The model goes into the folder `models` of the application's package where its row names one, else into
src/yoto/assets. The curve is measured on the test split at the recipe's evaluation points. The run's folder is named in
no file. An application's own ONNX network is written beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from yoto import bundle, registry
from yoto.build import build_objective, evaluation_points
from yoto.conditioning import Conditional
from yoto.curves import sweep
from yoto.registry import imported, named, option_names
from yoto.task import BaseTask
from yoto.training.folder import facts_of

ASSETS = Path(__file__).parent.parent / "src/yoto/assets"


def main() -> None:
    """Load the run, measure it, write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name", help="such as vae/shapes")
    parser.add_argument("--scores", action="store_true", help="numbers of the whole network too (disentanglement)")
    parser.add_argument("--half", action="store_true", help="store weights as float16")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a change to the recipe")
    options = parser.parse_args()
    task, _, name = options.name.partition("/")
    if not name:
        parser.error(f"name should be TASK/NAME. Found {options.name!r}")
    loaded = bundle.load(options.run)
    assert loaded.recipe is not None
    assert isinstance(loaded.task, BaseTask)
    changes = {key: yaml.safe_load(text) for key, _, text in (each.partition("=") for each in options.set)}
    nowhere = {"options.data": None} if "data" in {*option_names(loaded.recipe.task), *loaded.recipe.options} else {}
    recipe = loaded.recipe.replace({**nowhere, **changes})
    if options.half:
        bundle.halve(loaded.model)
    extras, facts = {}, {}
    if isinstance(loaded.model, Conditional):
        extras, facts = loaded.task.extras(loaded.model)
    curve = sweep(
        loaded.model,
        loaded.task.data("test"),
        loaded.task,
        evaluation_points(recipe),
        objective=build_objective(recipe),
        batch=recipe.evaluation.batch,
        limit=recipe.evaluation.limit,
        seed=recipe.evaluation.seed,
        scores=options.scores,
        info={"split": "test", "data": recipe.options.get("dataset", "")},
    )
    path = registry.folders("models").get(task, ASSETS / task) / f"{name}.safetensors"
    bundle.save(
        loaded.model,
        path,
        recipe=recipe,
        curve=curve,
        objective=build_objective(recipe),
        info={**facts_of(options.run), **facts},
        extras=extras,
        half=options.half,
    )
    exporter = named(recipe.task).exporter
    if exporter is not None:
        network = imported(exporter, "Exporter")(path)
        print(f"{network}: {network.stat().st_size / 2**20:.2f} MiB")
    print(f"{path}: {path.stat().st_size / 2**20:.2f} MiB, mean loss {sum(curve.loss) / len(curve.loss):.2f}")


if __name__ == "__main__":
    main()
