"""The README's loop against networks trained alone, on three problems.

    YOTO_DATA=… python benchmarks/own_loop.py [PROBLEM …] [--seeds 3] [-o results/own_loop]
    YOTO_DATA=… python benchmarks/own_loop.py pictures --seeds 1 --set multiplier=1 --set fourier=0
    python benchmarks/own_loop.py curves --width 0.5 --set conditioning_lr=0.02 -o results/own_loop_narrow
    YOTO_DATA=… python benchmarks/own_loop.py pictures --pictures 30000 -o results/own_loop_more

One conditional network is trained with a λ per sample, and plain networks with the same steps, batches and schedule at
one λ each, by the same optimiser and by Adam. A ratio is the full loss of the one network over that of a plain one at
that λ, on data that neither has seen, of means over seeds. Learning rates suit the networks trained alone, chosen in
the middle of a range, seed 0. `--set` changes the conditional network's settings, `--lr` and `--adam-lr` those rates,
`--width` all networks.

Each trained network is one line of `runs/own_loop/rows.jsonl`; what is there is not trained again, so delete the file
when a problem changes. The arm's data are in `YOTO_DATA/tables`; Fashion-MNIST is found as `yoto train` finds it; the
others need none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from own_loop_problems import PROBLEMS, Batch, Problem
from torch import nn

import yoto
from yoto.conditioning import bind
from yoto.curves.regret import geometric_mean
from yoto.optim import Clipper, cosine
from yoto.support.files import write_atomic
from yoto.support.seeds import derive
from yoto.training.machine import describe_machine

ROWS = Path("runs/own_loop/rows.jsonl")
RATES = {"muon": 0.02, "adam": 0.02}
"""Of networks trained alone, and of the conditional one with the same optimiser."""
THREE = ("pictures", "arm", "curves")
"""What is measured unless problems are named; `tasks` is an example of one for which the network is too small."""
PICTURES = 10000
"""Of the 60,000 of Fashion-MNIST, unless told otherwise."""
CONDITION = ("hidden", "multiplier", "fourier", "gain", "layout", "sites", "exclude", "start", "skip")
SAMPLE = ("tilt", "spread")


def train(problem: Problem, data: Batch, seed: int, at: str | None, settings: dict[str, Any]) -> nn.Module:
    """A network trained for one λ, or, with `at` None, for all: the README's loop.

    Args:
        problem: What to train.
        data: Training tensors.
        seed: Of initial parameters, batches and λ.
        at: A name of `problem.points`.
        settings: `algorithm`, `lr` and `conditioning_lr`; `width` and `epochs`; arguments of `condition` and of
            `sample`; `balance`, `clip`, `progress`, `begin` (the share of training in which draws widen from the
            median), `per_batch` (one λ for each batch), `momentum` (of batch norms) and `within` (see there).
    """
    torch.manual_seed(derive(seed, "init"))
    model = problem.network(settings.get("width", 1))
    if at is None:
        model = yoto.condition(model, problem.space, **{k: v for k, v in settings.items() if k in CONDITION})
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = settings.get("momentum", module.momentum)
    objective = yoto.Objective(problem.space, balance=settings.get("balance", 0.25))
    rates = {"conditioning_lr": settings["conditioning_lr"]} if at is None and "conditioning_lr" in settings else {}
    optimiser = yoto.optimiser(model, settings["lr"], algorithm=settings["algorithm"], **rates)
    steps = settings.get("epochs", problem.epochs) * (len(data[0]) // problem.batch)
    scheduler = cosine(optimiser, steps)
    clip = Clipper("relative" if settings.get("clip", True) else None)
    moved = {key: settings[key] for key in SAMPLE if key in settings}
    per_batch = settings.get("per_batch", False)
    own = None if at is None else problem.space.point(problem.points[at])
    drawn = within(problem.space, settings.get("within", {}))
    step = 0
    while step < steps:
        for rows in torch.randperm(len(data[0])).split(problem.batch):
            if len(rows) < problem.batch or step == steps:
                break
            batch = tuple(part[rows] for part in data)
            if own is None:
                progress = step / steps if settings.get("progress", True) else None
                if (early := settings.get("begin", 0.0)) and step:
                    done = step / steps
                    moved["spread"] = done / early if done < early else 1 + (done - early) / (1 - early)
                lam = drawn.sample(1 if per_batch else len(rows), progress=progress, **moved)
                lam = lam.expand(len(rows), -1)
            else:
                lam = own
            loss = objective(problem.terms(bind(model, lam), batch), lam)
            loss.backward()
            clip(model.parameters())
            optimiser.step()
            optimiser.zero_grad()
            scheduler.step()
            step += 1
    return model.eval()


def within(space: yoto.LossSpace, ends: dict[str, tuple[float, float]]) -> yoto.LossSpace:
    """A space to draw λ from alone: of some parameters, by name, a part of their range."""
    said = space.to_dict()
    for name, (low, high) in ends.items():
        said[name] = {**said[name], "low": low, "high": high}
    return yoto.LossSpace.from_dict(said)


@torch.no_grad()
def measure(problem: Problem, model: nn.Module, data: Batch, points: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean of every term, and the full loss, at each of `points`."""
    found = {}
    for point in points:
        lam = problem.space.point(problem.points[point])
        net = bind(model, lam)
        torch.manual_seed(0)
        sums: dict[str, float] = {}
        for batch in zip(*(part.split(1000) for part in data), strict=True):
            for name, term in problem.terms(net, batch).items():
                sums[name] = sums.get(name, 0.0) + float(term.double().sum())
        means = {name: value / len(data[0]) for name, value in sums.items()}
        loss = sum(float(lam[problem.space.index(name)]) * value for name, value in means.items())
        found[point] = {"loss": loss, **means}
    return found


def rows_by_key() -> dict[str, dict[str, Any]]:
    """What was trained before."""
    lines = ROWS.read_text().splitlines() if ROWS.is_file() else []
    return {row["key"]: row for row in map(json.loads, lines)}


def trained(name: str, seed: int, at: str | None, settings: dict[str, Any], pictures: int | None) -> dict[str, Any]:
    """The row of one network, from the file or trained now."""
    what = {"problem": name, "seed": seed, "at": at, "settings": settings}
    if name == "pictures":
        what["pictures"] = pictures
    key = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()
    if (known := rows_by_key().get(key)) is not None:
        return known
    problem = PROBLEMS[name]
    train_data, test_data = problem.data()
    if name == "pictures" and pictures is not None:
        train_data = tuple(part[:pictures] for part in train_data)
    begin = time.process_time()
    model = train(problem, train_data, seed, at, settings)
    seconds = time.process_time() - begin
    points = measure(problem, model, test_data, list(problem.points) if at is None else [at])
    row = {"key": key, **what, "cpu_seconds": round(seconds, 1), "points": points}
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    with ROWS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    return row


def compare(name: str, seeds: int, changed: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Losses of one problem: conditional, and alone by either optimiser, at each λ and for each seed."""
    losses: dict[str, dict[str, list[float]]] = {"conditional": {}, "muon": {}, "adam": {}}
    cpu = {"conditional": 0.0, "muon": 0.0, "adam": 0.0}
    rates = {"muon": options.lr, "adam": options.adam_lr}
    wide = {} if options.width == 1 else {"width": options.width}
    for seed in range(seeds):
        for algorithm, rate in rates.items():
            for at in PROBLEMS[name].points:
                row = trained(name, seed, at, {"algorithm": algorithm, "lr": rate, **wide}, options.pictures)
                losses[algorithm].setdefault(at, []).append(row["points"][at]["loss"])
                cpu[algorithm] += row["cpu_seconds"]
        if options.alone:
            continue
        own = {"algorithm": "muon", "lr": options.lr, **wide, **changed}
        row = trained(name, seed, None, own, options.pictures)
        for at, found in row["points"].items():
            losses["conditional"].setdefault(at, []).append(found["loss"])
        cpu["conditional"] += row["cpu_seconds"]
        print(f"{name}, seed {seed}: done", flush=True)
    ratios = (
        {}
        if options.alone
        else {
            against: {at: mean(losses["conditional"][at]) / mean(values) for at, values in losses[against].items()}
            for against in ("muon", "adam")
        }
    )
    return {"problem": name, "losses": losses, "ratios": ratios, "cpu_seconds": cpu}


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def ranges(result: dict[str, Any], against: str, points: Sequence[str]) -> list[str]:
    """Lowest and highest ratio of one seed, for each point."""
    one, alone = result["losses"]["conditional"], result["losses"][against]
    each = [[a / b for a, b in zip(one[point], alone[point], strict=True)] for point in points]
    return [f"{min(values):.2f} to {max(values):.2f}" for values in each]


def table(result: dict[str, Any]) -> str:
    """The ratios of one problem as Markdown."""
    points = list(result["ratios"]["muon"])
    lines = [
        f"| {result['problem']} | {' | '.join(points)} | **geometric mean** | worst |",
        f"| --- |{' --- |' * (len(points) + 2)}",
    ]
    titles = {"muon": "against alone, same optimiser", "adam": "against alone, Adam"}
    for against, title in titles.items():
        ratios = list(result["ratios"][against].values())
        cells = " | ".join(f"{ratio:.3f}" for ratio in ratios)
        lines.append(f"| {title} | {cells} | **{geometric_mean(ratios):.3f}** | {max(ratios):.3f} |")
        lines.append(f"| its range over the seeds | {' | '.join(ranges(result, against, points))} | | |")
    for kind, losses in result["losses"].items():
        title = {"conditional": "loss, one network", "muon": "loss, alone", "adam": "loss, alone, Adam"}[kind]
        cells = " | ".join(f"{mean(losses[point]):.4g}" for point in points)
        lines.append(f"| {title} | {cells} | | |")
    return "\n".join(lines)


def described(name: str, options: argparse.Namespace) -> str:
    """How large a problem is."""
    problem = PROBLEMS[name]
    count = len(problem.data()[0][0]) if name != "pictures" else options.pictures
    size = sum(p.numel() for p in problem.network(options.width).parameters())
    usual = options.width == 1 and (name != "pictures" or options.pictures == PICTURES)
    note = f", {problem.note}" if problem.note and usual else ""
    return f"{name}: {count:,} samples, {problem.epochs} epochs, {size:,} parameters{note}"


def parser_of(about: str | None, known: Iterable[str]) -> argparse.ArgumentParser:
    """For the command line of a benchmark: `problems`, of those known, and `out`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=", ".join(known))
    parser.add_argument("-o", "--out", type=Path)
    return parser


def begun(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What a benchmark's command line says; one thread from here on."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*batch norms")
    return parser.parse_args()


def show(text: str, record: dict[str, Any], out: Path | None) -> None:
    """Print what was measured, and write OUT.md and OUT.json if asked."""
    print(text)
    if out is not None:
        write_atomic(out.with_suffix(".md"), text)
        write_atomic(out.with_suffix(".json"), json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Train what is missing, print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=", ".join(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--lr", type=float, default=RATES["muon"])
    parser.add_argument("--adam-lr", type=float, default=RATES["adam"])
    parser.add_argument("--width", type=float, default=1, help="of all networks, as a multiple")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="the first so many of the 60,000")
    parser.add_argument("--alone", action="store_true", help="train the networks for one λ, and no other")
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    for name in options.problems:
        if name not in PROBLEMS:
            parser.error(f"PROBLEM should be one of {', '.join(PROBLEMS)}. Found {name!r}.")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*batch norms")
    changed = {key: yaml.safe_load(value) for key, _, value in (change.partition("=") for change in options.changes)}
    results = [compare(name, options.seeds, changed, options) for name in options.problems or THREE]
    if options.alone:
        return
    machine = describe_machine(torch.device("cpu"))
    text = f"`python benchmarks/own_loop.py {' '.join(sys.argv[1:])}`\n\n"
    text += "\n\n".join(table(result) for result in results)
    text += "\n\n" + "; ".join(described(result["problem"], options) for result in results) + "."
    said = f"{machine['processor']}, {machine['cores']} cores"
    text += f"\n\nSeeds 0 to {options.seeds - 1}, one thread. Changed: {changed or 'nothing'}. Machine: {said}.\n"
    record = {"machine": machine, "seeds": options.seeds, "changed": changed, "results": results}
    show(text, record, options.out)


if __name__ == "__main__":
    main()
