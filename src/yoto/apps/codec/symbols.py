"""From latents to symbols and back, pass by pass: what an encoder writes and what a decoder makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from yoto.apps.codec.spatial import put, taken

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.apps.codec.network import Codec
    from yoto.apps.codec.rounding import Rounding

LARGEST_RESIDUAL = 2**24


def quantised(net: Codec, y: Tensor, mean: Tensor, log_scale: Tensor, rounding: Rounding) -> Tensor:
    """Symbols [M, h, w], whole numbers in float32, of latents y [M, h, w] with those means and log-scales."""
    symbols = torch.empty_like(y)[None]

    def code(number: int | None, centre: Tensor, step: Tensor) -> Tensor:
        found = rounding((taken(y[None], number) - centre) / step, taken(log_scale[None], number))
        found = found.clamp_(-LARGEST_RESIDUAL, LARGEST_RESIDUAL)
        put(symbols, number, found)
        return centre + step * found

    with torch.autocast(y.device.type, enabled=False):
        net.decoded(mean[None], log_scale[None], code)
    return symbols[0]


def dequantised(net: Codec, symbols: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Latents [M, h, w] of symbols: as `quantised` went through them."""

    def code(number: int | None, centre: Tensor, step: Tensor) -> Tensor:
        return centre + step * taken(symbols[None], number)

    with torch.autocast(symbols.device.type, enabled=False):
        return net.decoded(mean[None], log_scale[None], code)[0]
