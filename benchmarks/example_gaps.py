"""What closes the gap where one network is behind in three domain examples: rates, steps, the conditioning network.

    python benchmarks/example_gaps.py [robustness|burgers|registration …] [-o results/examples/settings] [--rows N]

On validation data, seed 0: the full loss of separate networks at several learning rates, and of one network with one
change each, over that of the separate networks at the rate at which these are best, at the three λ of the example.
Lines that lie in the file are not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import yoto
from yoto.curves.regret import geometric_mean
from yoto.support.files import write_atomic
from yoto.support.memory import keep_freed
from yoto.training.machine import describe_machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
import common
import pinn
import registration
import robustness

ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "robustness": {
        "separate, rate 0.01": {"alone": True, "lr": 0.01},
        "separate, rate 0.005": {"alone": True, "lr": 0.005},
        "separate, rate 0.02": {"alone": True, "lr": 0.02},
        "one, rate 0.01": {"lr": 0.01},
        "one, rate 0.01, twice the steps": {"lr": 0.01, "steps": 2},
        "one, rate 0.02": {"lr": 0.02},
        "one, rate 0.01, `multiplier=0.3`": {"lr": 0.01, "conditioning": {"multiplier": 0.3}},
        "one, rate 0.01, `balance='geometric'`": {"lr": 0.01, "balance": "geometric"},
        "one, rate 0.01, `hidden=[128, 128]`": {"lr": 0.01, "conditioning": {"hidden": [128, 128]}},
    },
    "burgers": {
        "separate, rate 0.02": {"alone": True, "lr": 0.02},
        "one, rate 0.02": {"lr": 0.02},
        "one, rate 0.02, twice the steps": {"lr": 0.02, "steps": 2},
    },
    "registration": {
        "separate, rate 0.01": {"alone": True, "lr": 0.01},
        "one, rate 0.01": {"lr": 0.01},
        "one, rate 0.01, twice the steps": {"lr": 0.01, "steps": 2},
        "one, rate 0.01, the conditioning network too": {"lr": 0.01, "conditioning_lr": 0.01},
    },
}


class Case(NamedTuple):
    """What `losses` needs of an example."""

    network: Callable[[], nn.Module]
    space: yoto.LossSpace
    points: dict[str, Tensor]
    terms: Callable[..., dict[str, Tensor]]
    batch: Callable[[], Any]
    held: list[Any]
    steps: int


def robust() -> Case:
    """The example in robustness.py."""
    data = robustness.load(False)
    batch, held = common.rows_of(data["train"], robustness.BATCH), [data["validation"]]
    terms, steps = robustness.terms, robustness.STEPS
    return Case(robustness.network, robustness.SPACE, robustness.POINTS, terms, batch, held, steps)


def burgers() -> Case:
    """Burgers' equation in pinn.py."""
    problem = pinn.Burgers()
    grid = pinn.grid_of(problem, 64)
    points = {", ".join(f"{k} {v:g}" for k, v in each.items()): problem.space.point(each) for each in problem.hand}
    torch.manual_seed(1)
    held = [problem.points(1000, grid[:1])]
    batch = partial(problem.points, pinn.BATCH, grid[:1])
    return Case(pinn.network, problem.space, points, problem.terms, batch, held, pinn.STEPS)


def register() -> Case:
    """The example in registration.py."""
    slices, space = registration.load(False), registration.SPACE
    torch.manual_seed(1)
    held = [registration.pairs(slices["validation"], 100)]
    points = {f"weight {weight:g}": space.point(smoothness=weight) for weight in registration.WEIGHTS}
    batch = partial(registration.pairs, slices["train"], registration.BATCH)
    return Case(registration.UNet, space, points, registration.terms, batch, held, registration.STEPS)


CASES = {"robustness": robust, "burgers": burgers, "registration": register}


def losses(case: Case, row: dict[str, Any]) -> list[float]:
    """The full loss on validation data at each λ of the example, of one network or of one for each."""
    objective, steps = yoto.Objective(case.space, balance=row.get("balance", 0.25)), case.steps * row.get("steps", 1)

    rates = {name: row[name] for name in ("lr", "conditioning_lr") if name in row}

    def trained(net: nn.Module, at: Tensor | None = None) -> nn.Module:
        return common.train(net, case.terms, objective, case.batch, steps, at, **rates)

    def measured(net: nn.Module, at: Tensor) -> float:
        return yoto.sweep(net, case.held, case.terms, at[None], objective=objective).series("loss")[0]

    if not row.get("alone"):
        torch.manual_seed(0)
        model = trained(yoto.condition(case.network(), case.space, **row.get("conditioning", {})))
        return [measured(model, at) for at in case.points.values()]
    found = []
    for at in case.points.values():
        torch.manual_seed(0)
        found.append(measured(trained(case.network(), at), at))
    return found


def table(name: str, points: list[str], record: dict[str, list[float]]) -> str:
    """All lines as Markdown."""
    best = min((found for row, found in record.items() if row.startswith("separate")), key=geometric_mean)
    rows = []
    for row in (row for row in ROWS[name] if row in record):
        ratios = [a / b for a, b in zip(record[row], best, strict=True)]
        rows.append([row, *(f"{ratio:.3f}" for ratio in ratios), f"{geometric_mean(ratios):.3f}"])
    return common.markdown(["networks", *points, "geometric mean"], rows)


def study(name: str, folder: Path, limit: int) -> str:
    """Train the lines of one example that are missing, `limit` of them at most, and write its table."""
    case, path, rows = CASES[name](), folder / f"{name}-gap.json", ROWS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(path.read_text("utf-8"))["losses"] if path.is_file() else {}
    machine = describe_machine(torch.device("cpu"))
    for row in [row for row in rows if row not in record][:limit]:
        record[row] = losses(case, rows[row])
        write_atomic(path, json.dumps({"machine": machine, "losses": record}, indent=1) + "\n")
        print(row, record[row], flush=True)
    made = f"`python benchmarks/example_gaps.py {name}`; validation data, seed 0; full loss over that of the"
    made += f" best separate networks, at each λ. Machine: {machine['processor']}, one thread."
    text = f"# What closes the gap: {name}\n\n{table(name, list(case.points), record)}\n\n{made}\n"
    write_atomic(path.with_suffix(".md"), text)
    return text


def main() -> None:
    """Print the tables of the examples that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    parser.add_argument("-o", "--out", type=Path, default=Path("results/examples/settings"))
    parser.add_argument("--rows", type=int, default=1000, help="train the first of the missing lines only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    warnings.filterwarnings("ignore", message=".*batch norms")
    for name in options.names or CASES:
        print(study(name, options.out, options.rows))


if __name__ == "__main__":
    main()
