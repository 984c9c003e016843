"""What conditioning costs: conditional over plain, side by side in one run, and what baking gives back.

    python benchmarks/conditioning.py [--pairs 20] [-o results/conditioning]

Each figure is the median over interleaved pairs (conditional, plain, conditional, …) of process CPU time on one
thread, so that a noisy machine disturbs both sides alike. Ratios are the result; milliseconds only say what was timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from yoto.conditioning import Conditional, condition
from yoto.objective import Objective
from yoto.recipe import Recipe, read
from yoto.registry import load_task
from yoto.support.files import write_atomic
from yoto.task import Task
from yoto.training.machine import describe_machine

NETWORKS = {"CIFAR-10 network": ("paper/cifar10-vae", 128), "Shapes3D network": ("paper/shapes3d-vae", 64)}
GOALS = {"CIFAR-10 network": 1.15, "Shapes3D network": 1.25}


def pairs(a: Callable[[], Any], b: Callable[[], Any], count: int) -> tuple[float, float, float]:
    """Median seconds of `a` and `b` and the median ratio a/b over interleaved pairs."""
    for _ in range(3):
        a(), b()
    rows = []
    for _ in range(count):
        row = []
        for function in (a, b):
            start = time.process_time()
            function()
            row.append(time.process_time() - start)
        rows.append(row)
    median = statistics.median
    return median(r[0] for r in rows), median(r[1] for r in rows), median(r[0] / r[1] for r in rows)


def trainer(model: nn.Module, task: Task, recipe: Recipe, batch: torch.Tensor) -> Callable[[], None]:
    """One training step: forward, loss, backward, AdamW."""
    space = recipe.loss_space()
    objective = Objective(space, balance=None)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        lam = space.sample(len(batch), generator)
        net = model.at(lam) if isinstance(model, Conditional) else model
        optimiser.zero_grad()
        objective(task.terms(net, batch, lam), lam).backward()
        optimiser.step()

    return step


def measure(name: str, count: int) -> dict[str, Any]:
    """All figures of one network."""
    recipe_name, size = NETWORKS[name]
    recipe = read(recipe_name)
    task = load_task(recipe.task, recipe.options)
    space = recipe.loss_space()
    torch.manual_seed(0)
    plain = task.network()
    side = 32 if "CIFAR" in name else 64
    batch = torch.rand(size, 3, side, side)
    paper = recipe.conditioning.model_dump()
    recommended = {"hidden": [64], "fourier": 3}
    rows: dict[str, Any] = {"network": name, "batch": size, "parameters": sum(p.numel() for p in plain.parameters())}
    for label, arguments, layout in (
        ("paper's sites, NCHW", paper, torch.contiguous_format),
        ("paper's sites, channels-last", paper, torch.channels_last),
        ("recommended sites, NCHW", recommended, torch.contiguous_format),
        ("recommended sites, channels-last", recommended, torch.channels_last),
    ):
        model = condition(plain, space, **arguments).to(memory_format=layout)
        reference = condition(plain, space, **arguments).plain.to(memory_format=layout)
        x = batch.contiguous(memory_format=layout)
        a, b, ratio = pairs(trainer(model, task, recipe, x), trainer(reference, task, recipe, x), count)
        rows[label] = {"conditional ms": 1e3 * a, "plain ms": 1e3 * b, "ratio": ratio}
    model = condition(plain, space, **paper).eval()
    lam = space.median()
    baked = model.bake(lam)
    eager = plain.eval()
    with torch.inference_mode():
        for label, network in (("baked", baked), ("bound at one λ", None)):
            run = (lambda: baked.forward(batch)) if network is not None else (lambda: model(batch, at=lam))
            a, b, ratio = pairs(run, lambda: eager(batch), count)
            rows[f"inference, {label}"] = {"conditional ms": 1e3 * a, "plain ms": 1e3 * b, "ratio": ratio}
    times = []
    for i in range(count):
        at = space.grid(count)[i]
        start = time.process_time()
        model.bake(at, into=baked)
        times.append(time.process_time() - start)
    rows["bake(into=) ms"] = 1e3 * statistics.median(times)
    start = time.process_time()
    model.bake(lam)
    rows["bake() ms"] = 1e3 * (time.process_time() - start)
    return rows


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| network | what | conditional ms | plain ms | ratio |", "| --- | --- | --- | --- | --- |"]
    for rows in results:
        for label, row in rows.items():
            if isinstance(row, dict):
                figures = f"{row['conditional ms']:.1f} | {row['plain ms']:.1f} | **{row['ratio']:.3f}**"
                lines.append(f"| {rows['network']} | {label} | {figures} |")
        lines.append(f"| {rows['network']} | bake(into=) | {rows['bake(into=) ms']:.1f} | | |")
        lines.append(f"| {rows['network']} | bake(), checks included | {rows['bake() ms']:.1f} | | |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write JSON and Markdown if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = [measure(name, options.pairs) for name in NETWORKS]
    machine = describe_machine(torch.device("cpu"))
    text = f"{table(results)}\n\nOne thread, median of {options.pairs} interleaved pairs. Machine: {machine}.\n"
    for rows in results:
        ratio = rows["paper's sites, NCHW"]["ratio"]
        goal = GOALS[rows["network"]]
        verdict = "met" if ratio <= goal else "missed"
        text += f"{rows['network']}: training step {ratio:.3f}x plain, goal {goal} {verdict}.\n"
    print(text)
    if options.out:
        write_atomic(options.out.with_suffix(".md"), text)
        write_atomic(options.out.with_suffix(".json"), json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
