"""What was tried for the ends of own_loop.py, judged on validation data.

    YOTO_DATA=… python benchmarks/own_loop_choice.py [PROBLEM …] [-o results/own_loop_choice]
    YOTO_DATA=… python benchmarks/own_loop_choice.py --begin -o results/own_loop_begin

Each line is one change of the one network, trained as in own_loop.py. A ratio is its full loss over that of the base at
that seed, in the geometric mean over seeds: below 1 the change helps. The base is what `condition` and
`yoto.optimiser` do by default. Validation data: pictures 50,001 to 60,000 of the training file, and 4,096 more curves;
for the arm, which has no data to spare, the first half of its test rows.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import torch
from own_loop import PICTURES, RATES, begun, measure, parser_of, show, train
from own_loop_problems import PROBLEMS, Batch, made_curves

from yoto.curves.regret import geometric_mean
from yoto.training.machine import describe_machine

Trial: TypeAlias = tuple[str, dict[str, Any], int]
"""Label, change and number of seeds."""
ROWS = Path("runs/own_loop/choice.jsonl")
BASE = {"algorithm": "muon", "lr": RATES["muon"]}
BEGIN = ("draws widen from the median over the first tenth", {"begin": 0.1}, 3)
PLAIN = ("λ changes nothing at first: `start='plain'`", {"start": "plain"}, 2)
WIDE = ("64 features of λ for every layer: `hidden=[64]`", {"hidden": [64]}, 2)
DEEP = ("two layers of 64: `hidden=[64, 64]`", {"hidden": [64, 64]}, 2)
TRIALS: dict[str, list[Trial]] = {
    "pictures": [
        ("λ from [0.1, 1] alone", {"within": {"reconstruction": [0.1, 1.0]}}, 2),
        ("λ from [0.5, 1] alone", {"within": {"reconstruction": [0.5, 1.0]}}, 2),
        ("twice the steps", {"epochs": 16}, 2),
        ("twice the width", {"width": 2}, 2),
        PLAIN,
        (*WIDE[:2], 3),
        (*DEEP[:2], 3),
        ("`hidden=[128]`", {"hidden": [128]}, 1),
        ("heads read λ's encoding too: `skip=True`", {"skip": True}, 2),
        ("both: `hidden=[64], skip=True`", {"hidden": [64], "skip": True}, 2),
        ("the layers before the norms too: `sites='.*'`", {"sites": ".*"}, 1),
        ("the conditioning network twice as fast: `conditioning_lr=0.1`", {"conditioning_lr": 0.1}, 1),
        ("more draws at w = 1: `tilt=-1`", {"tilt": -1.0}, 2),
        ("`spread=1` throughout", {"spread": 1.0}, 1),
        ("`spread=2` throughout", {"spread": 2.0}, 1),
        ("`Objective(space, balance=0.1)`", {"balance": 0.1}, 2),
    ],
    "arm": [DEEP],
    "curves": [PLAIN, WIDE, DEEP],
}


@cache
def data(name: str) -> tuple[Batch, Batch]:
    """Training and validation tensors."""
    known, test = PROBLEMS[name].data()
    if name == "pictures":
        return tuple(part[:PICTURES] for part in known), tuple(part[50000:] for part in known)
    if name == "curves":
        return known, (made_curves(4096, 12345),)
    return known, tuple(part[: len(part) // 2] for part in test)


def losses(name: str, seed: int, change: dict[str, Any]) -> dict[str, float]:
    """The full loss at each measured λ, from the file or of a network that is trained now."""
    what = {"problem": name, "seed": seed, "settings": {**BASE, **change}}
    key = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()
    rows = map(json.loads, ROWS.read_text().splitlines() if ROWS.is_file() else [])
    known = next((row for row in rows if row["key"] == key), None)
    if known is None:
        problem, (training, validation) = PROBLEMS[name], data(name)
        model = train(problem, training, seed, None, what["settings"])
        found = measure(problem, model, validation, list(problem.points))
        known = {"key": key, **what, "losses": {point: means["loss"] for point, means in found.items()}}
        ROWS.parent.mkdir(parents=True, exist_ok=True)
        with ROWS.open("a") as file:
            file.write(json.dumps(known) + "\n")
    return dict(known["losses"])


def compare(name: str, trials: list[Trial]) -> list[dict[str, Any]]:
    """Ratios of every trial of a problem."""
    result = []
    for label, change, seeds in trials:
        pairs = [(losses(name, seed, change), losses(name, seed, {})) for seed in range(seeds)]
        ratios = {at: geometric_mean([one[at] / base[at] for one, base in pairs]) for at in PROBLEMS[name].points}
        result.append({"trial": label, "change": change, "seeds": seeds, "ratios": ratios})
        print(name, label, flush=True)
    return result


def table(name: str, trials: list[dict[str, Any]]) -> str:
    """The trials of a problem as Markdown."""
    points = list(PROBLEMS[name].points)
    lines = [f"| {name} | {' | '.join(points)} | seeds |", f"| --- |{' --- |' * (len(points) + 1)}"]
    for trial in trials:
        cells = " | ".join(f"{trial['ratios'][point]:.3f}" for point in points)
        lines.append(f"| {trial['trial']} | {cells} | {trial['seeds']} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, print the tables, and write them if asked."""
    parser = parser_of(__doc__, TRIALS)
    parser.add_argument("--begin", action="store_true", help="where draws begin, and nothing else")
    options = begun(parser)
    trials = {name: [BEGIN] for name in TRIALS} if options.begin else TRIALS
    results = {name: compare(name, trials[name]) for name in options.problems or TRIALS}
    machine = describe_machine(torch.device("cpu"))
    flag = " --begin" if options.begin else ""
    text = f"`python benchmarks/own_loop_choice.py{flag}`\n\nFull loss on validation data over that of the base.\n\n"
    text += "\n\n".join(table(name, trials) for name, trials in results.items())
    text += f"\n\nSeeds from 0 on, one thread. Machine: {machine['processor']}, {machine['cores']} cores.\n"
    show(text, {"machine": machine, "results": results}, options.out)


if __name__ == "__main__":
    main()
