"""Several ranks on one machine, for the tests of distributed runs."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch.distributed as dist
import torch.multiprocessing as mp

LIMIT = 120.0
"""Seconds that a rank waits for the others to end."""


def run_on_ranks(function: Callable[..., None], folder: Path, *arguments: object, ranks: int = 2) -> None:
    """Call ``function(rank, folder, *arguments)`` in ``ranks`` processes of one gloo group; raise what one raised."""
    mp.spawn(_rank, (function, folder, ranks, arguments), nprocs=ranks)


def _rank(rank: int, function: Callable[..., None], folder: Path, ranks: int, arguments: tuple) -> None:
    dist.init_process_group("gloo", store=dist.FileStore(str(folder / "store"), ranks), rank=rank, world_size=ranks)
    function(rank, folder, *arguments)
    # Gloo's threads abort a process now and then that ends with its group still warm ("terminate called without an
    # active exception"), destroyed or not: when all ranks are done, each leaves without taking anything down.
    (folder / f"rank-{rank}-is-done").touch()
    end = time.monotonic() + LIMIT
    while not all((folder / f"rank-{other}-is-done").exists() for other in range(ranks)):
        if time.monotonic() > end:
            raise TimeoutError("another rank did not end")
        time.sleep(0.01)
    os._exit(0)
