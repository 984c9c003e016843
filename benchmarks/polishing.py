"""How high a learning rate, and how many steps, to polish a model with at one λ.

    python benchmarks/polishing.py [MODEL] [--steps 400 1600] [--rates 0.003 0.01 0.03] [--at kl=0.5 --at kl=8]
                                   [--seed 0] [-o results/polishing]

Each setting is a polishing of its own (bake, then train at that λ alone by the model's recipe). The result is what the
full loss gained on the validation split, with the standard error of the paired difference over its samples.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

import yoto
from yoto.build import build_objective, build_task, recipe_of
from yoto.cli.checks import point
from yoto.comparison.paired import paired
from yoto.support.files import write_atomic
from yoto.training.by_recipe import polish_by_recipe, polishing_recipe
from yoto.training.machine import describe_machine


def main() -> None:
    """Polish, measure, print, and write JSON and Markdown if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="vae/fashion-mnist")
    parser.add_argument("--steps", type=int, nargs="+", default=[400, 1600])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.01, 0.03])
    parser.add_argument("--at", action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaded = yoto.load(options.model)
    recipe = recipe_of(loaded.header)
    task, objective = build_task(recipe), build_objective(recipe)
    validation, settings = task.data("validation"), recipe.evaluation
    found = []
    for text in options.at or ["kl=0.5", "kl=8"]:
        at = point([text], "--at")
        lam = loaded.space.point(at)
        for steps in options.steps:
            for rate in options.rates:
                begin = time.monotonic()
                plain = polish_by_recipe(
                    loaded.model, polishing_recipe(recipe, at, steps, lr=rate, seed=options.seed), task
                )
                seconds = time.monotonic() - begin
                pair = paired(
                    loaded.model, plain, lam, validation, task, objective, batch=settings.batch, seed=settings.seed
                )
                row = {"at": text, "steps": steps, "rate": rate, "before": pair.before.loss, "after": pair.after.loss}
                row |= {"gain": pair.gain, "error": pair.error, "n": pair.after.n, "seconds": round(seconds, 1)}
                found.append(row)
                print(json.dumps(row), flush=True)
    titles = ("at", "steps", "learning rate", "loss before", "after", "gain")
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    lines += [
        f"| {row['at']} | {row['steps']} | {row['rate']:g} | {row['before']:.3f} | {row['after']:.3f} | "
        f"{row['gain']:.3f} ± {row['error']:.3f} |"
        for row in found
    ]
    text = "\n".join(lines) + (
        f"\n\n{options.model}, full loss on the {found[0]['n']} validation examples, ± the standard error of "
        f"the paired difference; seed {options.seed}, cosine to a hundredth. `benchmarks/polishing.py`.\n"
        f"Machine: {describe_machine(torch.device('cpu'))}.\n"
    )
    print(text)
    if options.out is not None:
        write_atomic(options.out.with_suffix(".json"), json.dumps(found, indent=1) + "\n")
        write_atomic(options.out.with_suffix(".md"), text)


if __name__ == "__main__":
    main()
