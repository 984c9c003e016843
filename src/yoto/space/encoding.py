"""What the conditioning network is told of λ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from yoto.space.distribution import Distribution

if TYPE_CHECKING:
    from torch import Tensor


def encoded(
    lam: Tensor, free: Mapping[str, Distribution], slices: Mapping[str, slice], fourier: int, raw: bool
) -> Tensor:
    """The conditioning vector [..., E] of λ [..., D]; `fourier` and `raw` as of `LossSpace.encode`.

    Args:
        free: The free parameters by name, in order.
        slices: The columns of each.
    """
    import torch

    parts = [
        each.raw(lam[..., slices[name]]) if raw else each.encode(lam[..., slices[name]], fourier)
        for name, each in free.items()
    ]
    return torch.cat(parts, dim=-1) if parts else lam[..., :0]


def positions(free: Mapping[str, Distribution], fourier: int) -> list[int]:
    """The components of the conditioning vector that are positions along an interval, in [-1, 1]."""
    from yoto.space.interval import Interval

    starts, start = [], 0
    for each in free.values():
        starts += [start] if isinstance(each, Interval) else []
        start += each.encoded(fourier)
    return starts


def encoded_size(free: Mapping[str, Distribution], fourier: int, raw: bool) -> int:
    """Length E of the conditioning vector."""
    return sum(len(each.columns(name)) if raw else each.encoded(fourier) for name, each in free.items())
