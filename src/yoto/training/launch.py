"""Starting training in one process, in several that share each batch, or in several that work on runs of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yoto.errors import YotoError


def launch(devices: int, nodes: int, accelerator: str) -> Any:
    """A Lightning Fabric whose processes are started; with several devices every step is shared out by DDP."""
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
