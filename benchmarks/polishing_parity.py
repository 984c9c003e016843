r"""Polishing held against a comparison that was made: networks that were trained for one λ each, from the start.

    python benchmarks/polishing_parity.py results/vae/fashion-mnist vae/fashion-mnist --arm conditional-2x \
        --steps 1600 4000 -o results/polishing/fashion-mnist
    python benchmarks/polishing_parity.py results/style/parity --arm conditional-1x --steps 400 \
        --runs runs/polishing -o results/polishing/style

At every compared point the conditional network is baked and polished by its recipe, and measured on the split of the
comparison. Without MODEL the conditional network is first trained anew by the comparison's own recipe, in a folder
below RUNS (which a later call goes on with). What the output holds already is not measured again. The gain on the
validation split is what `estimate_regret` would report; the comparison says what the regret is.

Cost is in CPU time of the comparison's own record, so that it does not matter what else a machine did meanwhile: a step
of polishing costs what a step of a network for that λ did.
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

from yoto import bundle
from yoto.build import build_objective, build_task
from yoto.comparison.paired import paired
from yoto.curves.regret import geometric_mean
from yoto.curves.steering import rank_correlation
from yoto.recipe import Recipe, from_dict
from yoto.support.files import write_atomic
from yoto.training import train
from yoto.training.by_recipe import polish_by_recipe, polishing_recipe
from yoto.training.machine import processor

Row = dict[str, Any]
TITLES = (
    "at",
    "its own network",
    "conditional",
    "polished",
    "ratio before",
    "ratio after",
    "regret",
    "gain, test",
    "gain, validation",
)


SUMMARY = (
    "conditional model",
    "seed",
    "steps at each point",
    "learning rate",
    "cost",
    "ratio before",
    "ratio after",
    "gain and regret: rank correlation",
    "gain of regret",
)


class Compared:
    """What a comparison's report says of one conditional model and of the networks for one λ each."""

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        self.folder, self.arm, self.seed, self.report = folder, arm, seed, report
        self.points: list[dict[str, float]] = report["points"]
        self.floor = report["floor"] or 0.0
        self.place = report["seeds"].index(seed)
        self.contender = next(each for each in report["contenders"] if each["name"] == arm)
        self.regret = self.contender["regret"][self.place]
        self.fixed_costs = report["fixed"]["cost"][self.place]

    @property
    def recipe(self) -> Recipe:
        """Of the conditional model."""
        return from_dict(self.report["recipes"][self.arm]).replace({"seed": self.seed})

    def share(self, steps: Sequence[int]) -> float:
        """Cost of the conditional model and of so many steps at each point, of that of all networks for one λ."""
        whole = sum(cost["cpu_seconds"] for cost in self.fixed_costs)
        polishing = sum(
            count * cost["cpu_seconds"] / cost["steps"] for count, cost in zip(steps, self.fixed_costs, strict=True)
        )
        return float((self.contender["cost"][self.place]["cpu_seconds"] + polishing) / whole)


class Bench:
    """A conditional model with the data of its comparison."""

    def __init__(self, compared: Compared, model: str | Path) -> None:
        self.compared, self.recipe = compared, compared.recipe
        self.task, self.objective = build_task(self.recipe), build_objective(self.recipe)
        self.model = bundle.load(model, task=self.task).model.eval()
        self.data = {split: self.task.data(split) for split in ("test", "validation")}

    def measured(self, index: int, steps: int, rate: float | None) -> Row:
        """One polishing: losses on the comparison's split, the gain on the validation split."""
        point, compared, settings = self.compared.points[index], self.compared, self.recipe.evaluation
        recipe = polishing_recipe(self.recipe, point, steps, lr=rate, seed=compared.seed)
        begin = time.process_time()
        plain = polish_by_recipe(self.model, recipe, self.task)
        spent = time.process_time() - begin
        pairs = {
            split: paired(
                self.model,
                plain,
                self.model.space.point(point),
                data,
                self.task,
                self.objective,
                batch=settings.batch,
                limit=settings.limit,
                seed=settings.seed,
            )
            for split, data in self.data.items()
        }
        test, validation = pairs["test"], pairs["validation"]
        return {
            "index": index,
            "at": point,
            "seed": compared.seed,
            "steps": steps,
            "rate": recipe.training.lr,
            "fixed": compared.regret["reference"][index],
            "conditional": test.before.loss,
            "polished": test.after.loss,
            "gain": test.gain,
            "error": test.error,
            "n": test.after.n,
            "validation_gain": validation.gain,
            "validation_error": validation.error,
            "validation_n": validation.after.n,
            "cpu_seconds": round(spent, 1),
        }


def ratio(row: Row, name: str, floor: float) -> float:
    """Loss above the floor, as a multiple of that of the network for this λ alone."""
    return float((row[name] - floor) / (row["fixed"] - floor))


def place(row: Row, points: Sequence[dict[str, float]]) -> str:
    """A point, by what differs between the points."""
    names = [name for name in row["at"] if len({each[name] for each in points}) > 1]
    return ", ".join(f"{name} = {row['at'][name]:.4g}" for name in names)


def agreement(rows: Sequence[Row]) -> tuple[str, str]:
    """How gains on the validation split follow the regrets: rank correlation, and their sum as a share of theirs."""
    regrets = [row["conditional"] - row["fixed"] for row in rows]
    gains = [row["validation_gain"] for row in rows]
    return f"{rank_correlation(gains, regrets):+.2f}", f"{100 * sum(gains) / sum(regrets):.0f} %"


def section(rows: Sequence[Row], compared: Compared) -> list[str]:
    """What one number of steps brought at every point."""
    digits = 3 if compared.floor else 5
    lines = [f"| {' | '.join(TITLES)} |", f"|{' --- |' * len(TITLES)}"]
    for row in sorted(rows, key=lambda row: int(row["index"])):
        losses = " | ".join(f"{row[name]:.{digits}f}" for name in ("fixed", "conditional", "polished"))
        ratios = " | ".join(f"{ratio(row, name, compared.floor):.4f}" for name in ("conditional", "polished"))
        gains = " | ".join(
            f"{row[f'{split}gain']:.{digits}f} ± {row[f'{split}error']:.{digits}f}" for split in ("", "validation_")
        )
        true = f"{row['conditional'] - row['fixed']:.{digits}f}"
        lines.append(f"| {place(row, compared.points)} | {losses} | {ratios} | {true} | {gains} |")
    return lines


def results(rows: Sequence[Row], compared: Compared) -> tuple[str, ...]:
    """Geometric means of the ratios before and after, and how gains and regrets agree, of a row for each point."""
    before, after = (
        geometric_mean([ratio(row, name, compared.floor) for row in rows]) for name in ("conditional", "polished")
    )
    return f"{before:.4f}", f"{after:.4f}", *agreement(rows)


def mixed(rows: Sequence[Row], folder: Path) -> list[str]:
    """A line of the summary for each conditional model with the longest polishing at each point, where they differ."""
    lines = []
    for arm, seed in sorted({(row["arm"], row["seed"]) for row in rows}):
        compared = Compared(folder, arm, seed)
        own = [row for row in rows if (row["arm"], row["seed"]) == (arm, seed) and row["asked"] is None]
        longest = {row["index"]: row for row in sorted(own, key=lambda row: int(row["steps"]))}
        chosen = [longest[index] for index in sorted(longest)]
        steps = [row["steps"] for row in chosen]
        if len(chosen) == len(compared.points) and len(set(steps)) > 1:
            cells = (arm, str(seed), ", ".join(map(str, steps)), "by default", f"{100 * compared.share(steps):.0f} %")
            lines.append(f"| {' | '.join((*cells, *results(chosen, compared)))} |")
    return lines


def page(kept: dict[str, Any], folder: Path) -> str:
    """Every polishing, as Markdown."""
    lines = [f"# Polishing against networks for one λ: {kept['title']}", ""]
    groups: dict[tuple[str, int, int, float], list[Row]] = {}
    for row in kept["rows"]:
        groups.setdefault((row["arm"], row["seed"], row["steps"], row["rate"]), []).append(row)
    summary = [f"| {' | '.join(SUMMARY)} |", f"|{' --- |' * len(SUMMARY)}"]
    details: list[str] = []
    for (arm, seed, steps, rate), rows in sorted(groups.items()):
        compared = Compared(folder, arm, seed)
        whole = len(rows) == len(compared.points)
        means = results(rows, compared) if whole else ("-", f"{len(rows)} of {len(compared.points)} points", "-", "-")
        cost = f"{100 * compared.share([steps] * len(compared.points)):.0f} %"
        summary.append(f"| {' | '.join((arm, str(seed), str(steps), f'{rate:.2g}', cost, *means))} |")
        details += ["", f"## {arm}, seed {seed}: {steps} steps at {rate:.2g}", "", *section(rows, compared)]
    summary += mixed(kept["rows"], folder)
    first = kept["rows"][0]
    above = f"the loss above the floor of {kept['floor']:.2f}" if kept["floor"] else "the loss"
    return "\n".join(
        [
            *lines,
            *summary,
            "",
            f"Ratio: {above}, divided by that of the network that was trained for this λ",
            f"alone ([comparison]({kept['link']})); geometric mean over the points, {first['n']} test examples.",
            "Cost: the conditional training and all polishings, in CPU time of the networks for one λ together.",
            "Regret: the conditional model's loss minus that of its own network, test. Gains are paired differences",
            f"± their standard error, from {first['n']} test and {first['validation_n']} validation examples. The",
            "latter are what `estimate_regret` reports: their rank correlation with the regret over the points, and",
            f"their sum as a share of its. Processor: {kept['machine']}, one thread. `benchmarks/polishing_parity.py`.",
            *details,
            "",
        ]
    )


def trained(compared: Compared, runs: Path) -> Path:
    """The conditional model, trained anew where that was not done."""
    run = runs / compared.recipe.name / f"{compared.arm}-seed-{compared.seed}"
    if not (run / "model.safetensors").exists():
        train(compared.recipe, run, resume=(run / "recipe.yaml").exists(), progress=False)
    return run


def main() -> None:
    """Polish, measure, and write JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--arm", default="conditional-1x")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, nargs="+", default=[800])
    parser.add_argument("--points", type=int, nargs="+", help="places in the comparison's list, from 0; all by default")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--runs", type=Path, default=Path("runs/polishing"))
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    compared = Compared(options.comparison, options.arm, options.seed)
    file = options.out.with_suffix(".json")
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {"rows": []}
    kept |= {"title": compared.report["title"], "floor": compared.floor, "machine": processor()}
    kept["link"] = f"../{options.comparison.resolve().relative_to(Path('results').resolve())}/report.md"
    known = {(row["arm"], row["seed"], row["steps"], row["index"], row["asked"]) for row in kept["rows"]}
    missing = [
        (steps, index)
        for steps, index in product(options.steps, options.points or range(len(compared.points)))
        if (options.arm, options.seed, steps, index, options.rate) not in known
    ]
    bench = Bench(compared, options.model or trained(compared, options.runs)) if missing else None
    for steps, index in missing:
        assert bench is not None
        row = {"arm": options.arm, "asked": options.rate, **bench.measured(index, steps, options.rate)}
        kept["rows"].append(row)
        print(json.dumps(row), flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(kept, indent=1) + "\n")
    shown = page(kept, options.comparison)
    write_atomic(file.with_suffix(".md"), shown)
    print(shown)


if __name__ == "__main__":
    main()
