"""Small networks of the kinds that other libraries have, with what `condition(net, space, example=…)` makes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from networks.outputs import Inputs
from networks.report import Case

B = 3


@dataclasses.dataclass(frozen=True)
class Kind:
    """A case and its expected outcome.

    Attributes:
        sites: Layers that have to be conditioned.
        left_out: Layers that must not be.
        refused: A pattern in the one line that refuses the network, where that is what is right.
        share: Least share of the layers that fold which are sites or right before one.
    """

    case: Case
    sites: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    refused: str = ""
    share: float = 0.9


KINDS: dict[str, Kind] = {}


def kind(
    name: str,
    inputs: Any,
    *,
    batch_dim: int = 0,
    shared: tuple[int, ...] = (),
    extra: dict[str, Any] | None = None,
    **expected: Any,
) -> Callable[[Any], Any]:
    """Registers a class, or a function that makes a network, as a kind."""

    def register(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        values = inputs if isinstance(inputs, (tuple, dict)) else (inputs,)
        KINDS[name] = Kind(Case(make, Inputs(values, batch_dim, shared), extra or {}), **expected)
        return make

    return register


def noise(*shape: int) -> torch.Tensor:
    """Random numbers, the same for the same shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def tokens(*shape: int, below: int = 20) -> torch.Tensor:
    """Random token numbers."""
    return torch.randint(1, below, shape, generator=torch.Generator().manual_seed(sum(shape)))
