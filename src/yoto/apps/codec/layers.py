"""Layers of learned codecs: divisive normalisation, rounding with a gradient, bounds with a gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


class RoundThrough(torch.autograd.Function):
    """Rounding to the nearest integer whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 - torch gives it
        """Round."""
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        """Pass on."""
        return gradient


class LowerBound(torch.autograd.Function):
    """max(x, bound), whose gradient passes where x is above the bound or would be moved towards it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        """Bound from below."""
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Pass on where it helps."""
        (x,) = ctx.saved_tensors
        return gradient * ((x >= ctx.bound) | (gradient < 0)), None


def round_through(x: Tensor) -> Tensor:
    """Round to the nearest integer, with the gradient of the identity."""
    return RoundThrough.apply(x)  # type: ignore[no-any-return,no-untyped-call]


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """max(x, bound) with a gradient that can lead back above the bound."""
    return LowerBound.apply(x, bound)  # type: ignore[no-any-return,no-untyped-call]


class GDN(nn.Module):
    """Generalised divisive normalisation in its simplified form: x / (β + γ·|x|) over the channels, or its inverse.

    Ballé et al., "Density Modeling of Images Using a Generalized Normalization Transformation", ICLR 2016; exponents
    of 1 as in Johnston et al. 2019, "Computationally Efficient Neural Image Compression". β and γ are kept positive as
    squares of the stored parameters.

    Args:
        channels: C of the inputs [B, C, H, W].
        inverse: Multiply instead of divide.
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(torch.full((channels, channels), 0.01) + 0.306 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        beta, gamma = self.beta.square() + 1e-6, self.gamma.square()
        norm = conv2d(x.abs(), gamma[:, :, None, None].to(x.dtype), beta.to(x.dtype))
        return x * norm if self.inverse else x / norm
