"""How high a learning rate, and how many steps, to polish a model with at one λ.

    python benchmarks/polishing.py [MODEL] [--steps 400 1600] [--rates 0.003 0.01 0.03] [--at kl=0.5 --at kl=8]
                                   [--seed 0] [-o results/polishing/learning-rates]

Each setting is a polishing of its own (bake, then train at that λ alone by the model's recipe). The result is what the
full loss gained on the validation split, with the standard error of the paired difference over its samples. What the
output holds already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from yoto.build import build_objective, build_task, recipe_of
from yoto.bundle import Bundle, load
from yoto.cli.checks import point
from yoto.comparison.paired import paired
from yoto.support.files import write_atomic
from yoto.training.by_recipe import polish_by_recipe, polishing_recipe
from yoto.training.machine import describe_machine

TITLES = ("at", "steps", "learning rate", "loss before", "after", "gain")


def measured(loaded: Bundle, text: str, steps: int, rate: float, seed: int) -> dict[str, Any]:
    """One polishing, and what it brought."""
    recipe = recipe_of(loaded.header)
    task, objective, settings = build_task(recipe), build_objective(recipe), recipe.evaluation
    at = point([text], "--at")
    begin = time.monotonic()
    plain = polish_by_recipe(loaded.model, polishing_recipe(recipe, at, steps, lr=rate, seed=seed), task)
    seconds = time.monotonic() - begin
    pair = paired(
        loaded.model,
        plain,
        loaded.space.point(at),
        task.data("validation"),
        task,
        objective,
        batch=settings.batch,
        limit=settings.limit,
        seed=settings.seed,
    )
    row = {"at": text, "steps": steps, "rate": rate, "before": pair.before.loss, "after": pair.after.loss}
    return {
        **row,
        "gain": pair.gain,
        "error": pair.error,
        "n": pair.after.n,
        "seconds": round(seconds, 1),
        "seed": seed,
    }


def page(rows: Sequence[dict[str, Any]], model: str) -> str:
    """The table, as Markdown."""
    lines = [f"| {' | '.join(TITLES)} |", f"|{' --- |' * len(TITLES)}"]
    lines += [
        f"| {row['at']} | {row['steps']} | {row['rate']:g} | {row['before']:.3f} | {row['after']:.3f} | "
        f"{row['gain']:.3f} ± {row['error']:.3f} |"
        for row in sorted(rows, key=lambda row: (float(row["at"].partition("=")[2]), row["steps"], row["rate"]))
    ]
    seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))
    return "\n".join(lines) + (
        f"\n\n{model}: full loss on {rows[0]['n']} validation examples, ± the standard error of the paired difference; "
        f"seed {seeds}, cosine to a hundredth. `benchmarks/polishing.py`.\n"
        f"Machine: {describe_machine(torch.device('cpu'))}.\n"
    )


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
    loaded = load(options.model)
    file = None if options.out is None else options.out.with_suffix(".json")
    rows = json.loads(file.read_text("utf-8")) if file is not None and file.exists() else []
    known = {(row["at"], row["steps"], row["rate"], row["seed"]) for row in rows}
    for text, steps, rate in product(options.at or ["kl=0.5", "kl=8"], options.steps, options.rates):
        if (text, steps, rate, options.seed) in known:
            continue
        rows.append(measured(loaded, text, steps, rate, options.seed))
        print(json.dumps(rows[-1]), flush=True)
        if file is not None:
            write_atomic(file, json.dumps(rows, indent=1) + "\n")
            write_atomic(file.with_suffix(".md"), page(rows, options.model))
    print(page(rows, options.model))


if __name__ == "__main__":
    main()
