"""Starting training in one process, in several that share each batch, or in several that work on runs of their own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

from yoto.errors import YotoError
from yoto.support.extras import needed
from yoto.training.signals import StopRequest

R = TypeVar("R")


def launch(devices: int, nodes: int, accelerator: str) -> Any:
    """A Lightning Fabric whose processes are started; with several devices every step is shared out by DDP."""
    with needed("Training"):
        from lightning_fabric import Fabric

    strategy = "ddp" if devices * nodes > 1 else "auto"
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=strategy)
    fabric.launch()
    return fabric


def first_alone(fabric: Any, action: Callable[[], None]) -> None:
    """Run an action in the first process only; what it refuses ends all of them.

    Raises:
        YotoError: In every process, if the action raised it in the first.
    """
    refusal: str | None = None
    if fabric.is_global_zero:
        try:
            action()
        except YotoError as error:
            refusal = str(error)
    refusal = fabric.broadcast(refusal)
    if refusal:
        raise YotoError(refusal)


def in_processes(
    function: Callable[..., R],
    names: Iterable[str],
    arguments: Callable[[str], tuple[Any, ...]],
    jobs: int,
    request: StopRequest,
    expired: Callable[[], bool],
) -> Iterator[tuple[str, R]]:
    """Names and what `function` returned for them, as it comes, from `jobs` processes at a time.

    No further call begins once a signal asked to stop or the time is over. SIGTERM is passed on to the processes,
    Ctrl-C reaches them itself.

    Args:
        function: Called in a fresh process; it and its arguments pickle.
        names: One call for each.
        arguments: Those of the call of a name, asked for when it begins.
        jobs: Calls at a time.
        request: Where signals arrive.
        expired: Whether the time is over.
    """
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        queue = list(names)
        running: dict[Future[R], str] = {}
        while queue or running:
            if request.signal is not None or expired():
                queue = []
            while queue and len(running) < jobs:
                name = queue.pop(0)
                running[pool.submit(function, *arguments(name))] = name
            if request.signal == signal.SIGTERM:
                for child in multiprocessing.active_children():
                    child.terminate()
                request.signal = -signal.SIGTERM
            ready, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in ready:
                yield running.pop(future), future.result()
