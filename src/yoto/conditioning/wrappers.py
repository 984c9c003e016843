"""What wraps a network, and how to get at it."""

from __future__ import annotations

from typing import Any

from torch import nn

from yoto.conditioning.conditional import Conditional
from yoto.conditioning.ranks import refuse_sharded
from yoto.errors import YotoError

INNER = {
    "OptimizedModule": "_orig_mod",
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "AveragedModel": "module",
    "LossStep": "model",
}
"""By a wrapper's class, the attribute that holds what it wraps."""


def unwrapped(model: nn.Module) -> nn.Module:
    """A network out of `torch.compile`, DDP, `AveragedModel` and `LossStep`; any other as it is."""
    while isinstance(inner := getattr(model, INNER.get(type(model).__name__, ""), None), nn.Module):
        model = inner
    return model


def conditional(model: Any, action: str | None = None) -> Conditional[Any]:
    """The conditional network that was given, out of what wraps it.

    Args:
        model: What was given.
        action: What is to be done with its parameters, which then have to be whole; None where any will do.

    Raises:
        YotoError: If it is none, or in shards.
    """
    inner = unwrapped(model) if isinstance(model, nn.Module) else model
    if not isinstance(inner, Conditional):
        raise YotoError(
            "`model` should be a conditional network, as condition() and yoto.load(…).model give. "
            f"Found {type(inner).__name__}."
        )
    if action is not None:
        refuse_sharded(inner, action)
    return inner
