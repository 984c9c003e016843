"""What conditioning costs: conditional over plain, side by side in one run, and what baking gives back.

    python benchmarks/conditioning.py [--pairs 20] [-o results/conditioning]

Each figure is the median over interleaved pairs (conditional, plain, conditional, …) of CPU time on one thread, that of
the kernel included, so that a noisy machine disturbs both sides alike. Ratios are the result; milliseconds only say
what was timed. Each side runs in a process of its own, as somebody's training does.

Training steps are measured with `yoto.support.memory.keep_freed`, which `yoto train` calls for itself, and in the shell
as it is. There glibc gives freed memory back or keeps it by what lies at the end of the heap, so that two processes
that do the same differ: the pairs are those of several processes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from yoto.conditioning import Conditional, condition
from yoto.objective import Objective
from yoto.recipe import Recipe, read
from yoto.registry import load_task
from yoto.support.files import write_atomic
from yoto.support.memory import keep_freed
from yoto.task import Task
from yoto.training.machine import describe_machine

Side = Literal["conditional", "plain"]
NETWORKS = {"CIFAR-10 network": ("paper/cifar10-vae", 128), "Shapes3D network": ("paper/shapes3d-vae", 64)}
GOAL = 1.15
RECOMMENDED = {"hidden": [64], "fourier": 3}
LAYOUTS = {"NCHW": torch.contiguous_format, "channels-last": torch.channels_last}
MEMORY = {"freed memory kept": 1, "shell as it is": 5}
"""Pairs of processes that are measured, by what happens to freed memory."""
TRAINING = tuple(f"{sites}, {layout}" for sites in ("paper's sites", "recommended sites") for layout in LAYOUTS)
WARM_UP = 4


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


def works(name: str, side: Side) -> dict[str, Callable[[], Any]]:
    """What one side does in each measurement, by its name; each is made where it is asked for."""
    recipe_name, size = NETWORKS[name]
    recipe = read(recipe_name)
    task = load_task(recipe.task, recipe.options)
    space = recipe.loss_space()
    torch.manual_seed(0)
    plain = task.network()
    pixels = 32 if "CIFAR" in name else 64
    batch = torch.rand(size, 3, pixels, pixels)
    paper = recipe.conditioning.model_dump()

    def training(arguments: dict[str, Any], layout: torch.memory_format) -> Callable[[], Any]:
        model = condition(plain, space, **arguments)
        network = (model if side == "conditional" else model.plain).to(memory_format=layout)
        return trainer(network, task, recipe, batch.contiguous(memory_format=layout))

    def inference(baked: bool) -> Callable[[], Any]:
        model, lam = condition(plain, space, **paper).eval(), space.median()
        if side == "plain":
            return lambda: model.plain(batch)
        network = model.bake(lam)
        return (lambda: network(batch)) if baked else (lambda: model(batch, at=lam))

    made = {
        label: lambda label=label: training(
            paper if label.startswith("paper") else RECOMMENDED, LAYOUTS[label.split(", ")[1]]
        )
        for label in TRAINING
    }
    return {
        **made,
        "inference, baked": lambda: torch.inference_mode()(inference(True)),
        "inference, bound at one λ": lambda: torch.inference_mode()(inference(False)),
    }


def serve(pipe: Connection, name: str, side: Side, keep: bool) -> None:
    """One side, in a process of its own: a name makes its work ready, None does it and answers with the seconds."""
    if keep and not keep_freed():
        raise SystemExit("The allocator takes no settings: run this on glibc, and without MALLOC_… of your own.")
    torch.set_num_threads(1)
    work, todo = works(name, side), None
    while (asked := pipe.recv()) != "":
        if asked is not None:
            todo = work[asked]()
            for _ in range(WARM_UP):
                todo()
            pipe.send(None)
            continue
        assert todo is not None
        start = time.process_time()
        todo()
        pipe.send(time.process_time() - start)


def measure(name: str, labels: Iterable[str], keep: bool, count: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of both sides, in `count` pairs for each label, from a new pair of processes."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    for side in ("conditional", "plain"):
        mine, theirs = context.Pipe()
        context.Process(target=serve, args=(theirs, name, side, keep), daemon=True).start()
        theirs.close()
        pipes.append(mine)

    def ask(what: str | None) -> tuple[Any, ...]:
        answers = []
        for pipe in pipes:
            pipe.send(what)
            answers.append(pipe.recv())
        return tuple(answers)

    rows = {}
    for label in labels:
        ask(label)
        rows[label] = [ask(None) for _ in range(count)]
    for pipe in pipes:
        pipe.send("")
    return rows


def summary(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Median milliseconds of both sides, and the median ratio."""
    a, b = (1e3 * statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return {"conditional ms": a, "plain ms": b, "ratio": statistics.median(x / y for x, y in pairs)}


def measured(name: str, memory: str, count: int) -> dict[str, dict[str, float]]:
    """The rows of one network under one treatment of freed memory."""
    keep, processes = memory == "freed memory kept", MEMORY[memory]
    labels = list(works(name, "plain")) if keep else TRAINING
    runs = [measure(name, labels, keep, -(-count // processes)) for _ in range(processes)]
    return {label: summary([pair for run in runs for pair in run[label]]) for label in labels}


def baking(name: str, count: int) -> dict[str, float]:
    """Milliseconds of `bake()` and, the median of several λ, of `bake(into=)`."""
    recipe = read(NETWORKS[name][0])
    space = recipe.loss_space()
    torch.manual_seed(0)
    network = load_task(recipe.task, recipe.options).network()
    model = condition(network, space, **recipe.conditioning.model_dump()).eval()
    start = time.process_time()
    baked = model.bake(space.median())
    once, times = time.process_time() - start, []
    for at in space.grid(count):
        start = time.process_time()
        model.bake(at, into=baked)
        times.append(time.process_time() - start)
    return {"bake(into=)": 1e3 * statistics.median(times), "bake(), checks included": 1e3 * once}


def table(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| network | what | memory | conditional ms | plain ms | ratio |", "| --- | --- | --- | --- | --- | --- |"]
    for name, found in results.items():
        for label in found["freed memory kept"]:
            for memory in MEMORY:
                row = found[memory].get(label)
                if row is None:
                    continue
                figures = f"{row['conditional ms']:.1f} | {row['plain ms']:.1f} | **{row['ratio']:.3f}**"
                lines.append(f"| {name} | {label} | {memory} | {figures} |")
        lines += [f"| {name} | {label} | | {ms:.1f} | | |" for label, ms in found["baking"].items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write JSON and Markdown if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    if any(name.startswith("MALLOC_") for name in os.environ):
        raise SystemExit("Run this without MALLOC_… settings: it makes its own, and compares.")
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for name in NETWORKS:
        results[name] = {memory: measured(name, memory, options.pairs) for memory in MEMORY}
        results[name]["baking"] = baking(name, options.pairs)
    machine = describe_machine(torch.device("cpu"))
    text = (
        f"{table(results)}\n\n`benchmarks/conditioning.py --pairs {options.pairs}`, without settings of the "
        f"allocator in the shell.\nOne thread, median of {options.pairs} interleaved pairs, each side in a process of "
        f'its own ("shell as it is": {MEMORY["shell as it is"]} of them), seed 0.\nMachine: {machine}.\n\n'
    )
    for name, found in results.items():
        for memory in MEMORY:
            ratio = found[memory][TRAINING[0]]["ratio"]
            verdict = "met" if ratio <= GOAL else "missed"
            text += f"- {name}, {memory}: {ratio:.3f}x a plain step, goal {GOAL} {verdict}\n"
    print(text)
    if options.out:
        write_atomic(options.out.with_suffix(".md"), text)
        write_atomic(options.out.with_suffix(".json"), json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
