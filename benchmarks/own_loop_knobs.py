"""What each knob does to one network against networks trained alone: the examples of docs/flat-curves.md.

    YOTO_DATA=… python benchmarks/own_loop_knobs.py [-o results/own_loop_knobs]

The base is the README's loop on seed 0 of the problems of own_loop.py, where knobs show: curves with 64 units, 10,000
pictures, and the conditioning network at the rate of the rest. Each line is one change of it. A ratio is the full loss
of the one network over that of a network trained alone with the same optimiser and steps. The span of a term is the
logarithm of its largest value over its smallest, at the λ that are measured, as a share of the same of the networks
trained alone: near 0 the curve is flat, at 1 it spans what separate networks span.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from own_loop import RATES, begun, parser_of, show, trained
from own_loop_problems import PROBLEMS

from yoto.curves.regret import geometric_mean
from yoto.training.machine import describe_machine

PICTURES = 10000
TERM = {"curves": "roughness", "arm": "change", "pictures": "reconstruction"}
"""The term of each problem whose span is measured."""
NARROW = {"curves": {"width": 0.5}}
"""What differs from own_loop.py, for all networks of a problem."""
PLAIN_RATE = {"conditioning_lr": RATES["muon"]}
"""What differs from it for the one network."""
FASTER = ("the conditioning network 2.5 times as fast, the default", {"conditioning_lr": 0.05})
KNOBS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "curves": [
        ("the base", {}),
        ("Adam at 1e-3 in place of `yoto.optimiser`", {"algorithm": "adam", "lr": 0.001, "conditioning_lr": 0.001}),
        ("the last layer alone follows λ: `sites='4'`", {"sites": "4"}),
        ("`multiplier=0.01`", {"multiplier": 0.01}),
        ("`multiplier=1`", {"multiplier": 1.0}),
        ("P_λ as it is, no `progress`", {"progress": False}),
        ("twice the steps", {"epochs": 32}),
        ("twice the width", {"width": 1}),
        FASTER,
    ],
    "arm": [
        ("the base", {}),
        ("no Fourier features: `fourier=0`", {"fourier": 0}),
        ("more draws at the high end: `tilt=-2`", {"tilt": -2.0}),
        FASTER,
    ],
    "pictures": [
        ("the base", {}),
        ("unbalanced: `Objective(space, balance=None)`", {"balance": 0}),
        ("one λ for each batch", {"per_batch": True}),
        FASTER,
    ],
}


def span(points: dict[str, dict[str, float]], term: str) -> float:
    """Logarithm of the largest over the smallest value of a term."""
    values = [found[term] for found in points.values()]
    return math.log(max(values) / min(values))


def measure(name: str) -> dict[str, Any]:
    """Ratios and span of one problem, for each knob."""
    base = {"algorithm": "muon", "lr": RATES["muon"], **NARROW.get(name, {})}
    alone = {at: trained(name, 0, at, base, PICTURES)["points"][at] for at in PROBLEMS[name].points}
    rows = []
    for label, change in KNOBS[name]:
        points = trained(name, 0, None, {**base, **PLAIN_RATE, **change}, PICTURES)["points"]
        ratios = {at: found["loss"] / alone[at]["loss"] for at, found in points.items()}
        share = span(points, TERM[name]) / span(alone, TERM[name])
        rows.append({"knob": label, "change": change, "ratios": ratios, "span": share})
        print(name, label, flush=True)
    return {"problem": name, "term": TERM[name], "rows": rows}


def table(result: dict[str, Any]) -> str:
    """One problem as Markdown."""
    points = list(result["rows"][0]["ratios"])
    lines = [
        f"| {result['problem']} | {' | '.join(points)} | geometric mean | span of {result['term']} |",
        f"| --- |{' --- |' * (len(points) + 2)}",
    ]
    for row in result["rows"]:
        ratios = list(row["ratios"].values())
        cells = " | ".join(f"{ratio:.3f}" for ratio in ratios)
        lines.append(f"| {row['knob']} | {cells} | {geometric_mean(ratios):.3f} | {100 * row['span']:.0f} % |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, print the tables, and write them if asked."""
    options = begun(parser_of(__doc__, KNOBS))
    results = [measure(name) for name in options.problems or KNOBS]
    machine = describe_machine(torch.device("cpu"))
    text = "`python benchmarks/own_loop_knobs.py`\n\n" + "\n\n".join(table(result) for result in results)
    text += f"\n\nSeed 0, one thread. Machine: {machine['processor']}, {machine['cores']} cores.\n"
    show(text, {"machine": machine, "results": results}, options.out)


if __name__ == "__main__":
    main()
