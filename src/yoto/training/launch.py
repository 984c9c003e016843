"""Starting training in one process, in several that share each batch, or in several that work on runs of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from yoto.errors import YotoError
from yoto.support.extras import needed
from yoto.training.signals import StopRequest

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from torch import Tensor

R = TypeVar("R")


def launch(devices: int, nodes: int, accelerator: str) -> Any:
    """A Lightning Fabric whose processes are started; with several devices every step is shared out by DDP.

    Raises:
        YotoError: If the machine lacks such devices.
    """
    with needed("Training"):
        from lightning_fabric import Fabric
        from lightning_fabric.utilities.exceptions import MisconfigurationException

    strategy = "ddp" if devices * nodes > 1 else "auto"
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=strategy)
    except (RuntimeError, ValueError, TypeError, ModuleNotFoundError, MisconfigurationException) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise YotoError(
            f"`accelerator` and `devices` should be what this machine has. Found {accelerator!r} and {devices!r}: "
            f"{reason}."
        ) from None
    fabric.launch()
    return fabric


def is_first() -> bool:
    """Whether this process is the only or the first one, which speaks for all."""
    import torch

    shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not shared or torch.distributed.get_rank() == 0


def of_all(tensor: Tensor) -> Tensor:
    """A tensor of each process, of the same shape in all, stacked along a new first dimension."""
    import torch

    shares = [torch.empty_like(tensor) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(shares, tensor.contiguous())
    return torch.stack(shares)


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

    Each process sees one accelerator alone (CUDA_VISIBLE_DEVICES): its own where there are as many as jobs.

    Args:
        function: Called in a fresh process; it and its arguments pickle.
        names: One call for each.
        arguments: Those of the call of a name, asked for when it begins.
        jobs: Calls at a time.
        request: Where signals arrive.
        expired: Whether the time is over.
    """
    spawn = multiprocessing.get_context("spawn")
    devices, places = visible_devices(), spawn.SimpleQueue()
    for place in range(jobs):
        places.put(devices[place % len(devices)] if devices else None)
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=take_device, initargs=(places,)) as pool:
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


def visible_devices() -> list[str]:
    """The accelerators that this process may use, as CUDA_VISIBLE_DEVICES names them; none on a CPU."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def take_device(places: SimpleQueue[str | None]) -> None:
    """In a new process: see one accelerator alone, before torch looks for them."""
    device = places.get()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
