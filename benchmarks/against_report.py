"""Conditional networks, trained anew, against the separate networks of an earlier comparison.

    python benchmarks/against_report.py RUN... --report results/compression/parity -o results/compression/spread

How a network is conditioned, and how λ is drawn, does not bear on the separate networks, so their losses stay what
`yoto compare` measured. RUN... are finished runs of as many steps, by recipes that differ in `conditioning`,
`training.balance` and `training.spread` alone; each is held against the separate networks of its seed, on the same
test examples.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from pathlib import Path
from typing import Any

import torch

from yoto import bundle
from yoto.build import build_objective
from yoto.curves import sweep
from yoto.support.files import write_atomic
from yoto.task import BaseTask
from yoto.training.machine import processor


def references(table: Path) -> dict[int, dict[float, float]]:
    """Losses of the separate networks by seed and value of the one free parameter."""
    found: dict[int, dict[float, float]] = {}
    for row in csv.DictReader(table.read_text("utf-8").splitlines()):
        if row["model"] == "fixed":
            (value,) = (float(text) for name, text in row.items() if name.startswith("point."))
            found.setdefault(int(row["seed"]), {})[value] = float(row["loss"])
    return found


def measured(run: Path, table: Path) -> dict[str, Any]:
    """The losses of a run's network at the report's points, over those of the separate networks of its seed."""
    loaded = bundle.load(run)
    recipe, task = loaded.recipe, loaded.task
    assert recipe is not None
    assert isinstance(task, BaseTask)
    wanted, (name,) = references(table)[recipe.seed], loaded.space.free
    points = [{name: value} for value in wanted]
    settings = recipe.evaluation
    curve = sweep(
        loaded.conditional, task.data("test"), task, points, objective=build_objective(recipe), batch=settings.batch,
        limit=settings.limit, seed=settings.seed,
    )  # fmt: skip
    ratios = [found / old for found, old in zip(curve.series("loss"), wanted.values(), strict=True)]
    return {
        "seed": recipe.seed,
        "steps": recipe.training.steps,
        "machine": processor(),
        "points": list(wanted),
        "losses": list(map(float, curve.series("loss"))),
        "ratios": ratios,
        "geometric_mean": math.exp(sum(map(math.log, ratios)) / len(ratios)),
    }


def page(rows: list[dict[str, Any]], report: Path, command: str) -> str:
    """The table."""
    points = rows[0]["points"]
    means = [sum(row["ratios"][i] for row in rows) / len(rows) for i in range(len(points))]
    mean = sum(row["geometric_mean"] for row in rows) / len(rows)
    lines = [
        "# Conditional networks against the separate ones of an earlier comparison",
        "",
        f"`{command}`",
        "",
        f"Losses on the test split over those of the separate networks of [{report.name}]({report.name}/report.md),",
        f"{rows[0]['steps']:,} steps each. Processor: {rows[0]['machine']}, one thread.",
        "",
        "| seed | " + " | ".join(f"λ = {value:g}" for value in points) + " | geometric mean |",
        "| --- |" + " ---: |" * (len(points) + 1),
        *(
            f"| {row['seed']} | " + " | ".join(f"{x:.4f}" for x in row["ratios"]) + f" | {row['geometric_mean']:.4f} |"
            for row in rows
        ),
        "| mean | " + " | ".join(f"{x:.4f}" for x in means) + f" | {mean:.4f} |",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--report", type=Path, required=True, help="folder of a comparison's report")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measured(run, options.report / "table.csv") for run in options.runs]
    command = f"python benchmarks/against_report.py RUN... --report {options.report} -o {options.out}"
    write_atomic(options.out.with_suffix(".json"), json.dumps(rows, indent=1) + "\n")
    write_atomic(options.out.with_suffix(".md"), page(rows, options.report, command))
    print(page(rows, options.report, command))


if __name__ == "__main__":
    main()
