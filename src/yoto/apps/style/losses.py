"""Content, style and smoothness, per sample, each relative to a scale of its own so that weights are comparable."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Statistics = Literal["gram", "moments"]

VARIATION = 0.0125
"""Mean absolute difference of neighbouring pixels, levels in [0, 1], in eight ordinary photographs of 768x512
pixels: the unit of that term. Busy pictures have several times as much."""


def spread(x: Tensor) -> Tensor:
    """Variance of activations over the positions, summed over the channels: [B, C, h, w] to [B]."""
    return x.float().var(dim=(2, 3), correction=0).sum(dim=1)


def content_loss(found: Tensor, photograph: Tensor, ordinary: float = 0.0) -> Tensor:
    """Squared feature distance per position over the photograph's own spread: [B, C, h, w] twice to [B].

    After Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.

    Args:
        ordinary: Spread of an ordinary photograph. The distance is then taken over the mean of both spreads, so that
            a flat part of a picture, an even sky, does not weigh without bound.
    """
    distance = (found.float() - photograph.float()).square().mean(dim=(2, 3)).sum(dim=1)
    own = spread(photograph)
    return distance / ((own + ordinary) / 2 if ordinary else own)


def gram(x: Tensor) -> Tensor:
    """Gram matrix [B, C, C] of activations [B, C, h, w], over the number of positions."""
    flat = x.float().flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def moments(x: Tensor) -> Tensor:
    """Mean and deviation [B, 2, C] of activations [B, C, h, w] (Huang & Belongie, "AdaIN", ICCV 2017)."""
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0)
    return torch.stack([mean, (variance + 1e-6).sqrt()], dim=1)


def relative_distance(found: Tensor, target: Tensor) -> Tensor:
    """Squared distance of statistics over the target's squared length: [B, …] and [B or 1, …] to [B]."""
    return (found - target).square().flatten(1).sum(1) / target.square().flatten(1).sum(1)


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of neighbours [B, 3, H, W] to [B], as a multiple of an ordinary photograph's.

    After Rudin, Osher & Fatemi, Physica D 60, 1992.
    """
    across = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean(dim=(1, 2, 3))
    down = (image[:, :, 1:] - image[:, :, :-1]).abs().mean(dim=(1, 2, 3))
    return (across + down) / (2 * VARIATION)
