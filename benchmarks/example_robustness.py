"""What closes the gap of examples/robustness.py: rates, steps, the conditioning network, the balance over λ.

    python benchmarks/example_robustness.py [-o results/examples/settings/robustness] [--rows N]

On validation data, seed 0: the full loss of separate networks at several learning rates, and of one network with one
change each, over that of the separate networks at the rate at which these are best, at the three λ of the example.
Lines that lie in the file are not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import yoto
from yoto.curves.regret import geometric_mean
from yoto.support.files import write_atomic
from yoto.support.memory import keep_freed
from yoto.training.machine import describe_machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
import common
import robustness

ROWS: dict[str, dict[str, Any]] = {
    "separate, rate 0.01": {"alone": True, "lr": 0.01},
    "one, rate 0.01": {"lr": 0.01},
    "separate, rate 0.005": {"alone": True, "lr": 0.005},
    "one, rate 0.005": {"lr": 0.005},
    "one, rate 0.01, twice the steps": {"lr": 0.01, "steps": 2},
    "separate, rate 0.02": {"alone": True, "lr": 0.02},
    "one, rate 0.02": {"lr": 0.02},
    "one, rate 0.01, `multiplier=0.3`": {"lr": 0.01, "conditioning": {"multiplier": 0.3}},
    "one, rate 0.01, `hidden=[128, 128]`": {"lr": 0.01, "conditioning": {"hidden": [128, 128]}},
    "one, rate 0.01, `balance='geometric'`": {"lr": 0.01, "balance": "geometric"},
}


def losses(row: dict[str, Any]) -> list[float]:
    """The full loss on validation data at each λ of the example, of one network or of one for each."""
    data, space, points = robustness.load(False), robustness.SPACE, list(robustness.POINTS.values())
    objective = yoto.Objective(space, balance=row.get("balance", 0.25))
    steps, batch = robustness.STEPS * row.get("steps", 1), common.rows_of(data["train"], robustness.BATCH)

    def trained(net: nn.Module, at: Tensor | None = None) -> nn.Module:
        return common.train(net, robustness.terms, objective, batch, steps, at, lr=row["lr"])

    def measured(net: nn.Module, at: Tensor) -> float:
        curve = yoto.sweep(net, [data["validation"]], robustness.terms, at[None], objective=objective)
        return curve.series("loss")[0]

    if not row.get("alone"):
        torch.manual_seed(0)
        model = trained(yoto.condition(robustness.network(), space, **row.get("conditioning", {})))
        return [measured(model, at) for at in points]
    found = []
    for at in points:
        torch.manual_seed(0)
        found.append(measured(trained(robustness.network(), at), at))
    return found


def table(record: dict[str, list[float]]) -> str:
    """All lines as Markdown."""
    apart = [found for name, found in record.items() if name.startswith("separate")]
    best = min(apart, key=geometric_mean)
    rows = []
    for name in ROWS:
        if name in record:
            ratios = [a / b for a, b in zip(record[name], best, strict=True)]
            rows.append([name, *(f"{ratio:.3f}" for ratio in ratios), f"{geometric_mean(ratios):.3f}"])
    return common.markdown(["networks", *robustness.POINTS, "geometric mean"], rows)


def main() -> None:
    """Train what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=Path("results/examples/settings/robustness"))
    parser.add_argument("--rows", type=int, default=len(ROWS), help="train the first of the missing lines only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    warnings.filterwarnings("ignore", message=".*batch norms")
    path = options.out.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(path.read_text("utf-8"))["losses"] if path.is_file() else {}
    machine = describe_machine(torch.device("cpu"))
    for name in [name for name in ROWS if name not in record][: options.rows]:
        record[name] = losses(ROWS[name])
        write_atomic(path, json.dumps({"machine": machine, "losses": record}, indent=1) + "\n")
        print(name, record[name], flush=True)
    made = (
        "`python benchmarks/example_robustness.py`; validation data, seed 0; full loss over that of the best separate"
    )
    made += f" networks, at each λ. Machine: {machine['processor']}, one thread."
    text = f"# Adversarial training: what closes the gap\n\n{table(record)}\n\n{made}\n"
    write_atomic(options.out.with_suffix(".md"), text)
    print(text)


if __name__ == "__main__":
    main()
