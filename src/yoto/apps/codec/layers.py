"""Layers of learned codecs: divisive normalisation, rounding with a gradient, bounds with a gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_unshuffle

from yoto.support.precision import wide


class Through(torch.autograd.Function):
    """Another value, with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:  # noqa: ARG004 - torch gives them
        """The value."""
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        """Pass on."""
        return gradient, None


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


def through(x: Tensor, value: Tensor) -> Tensor:
    """What x was rounded to, a tensor of its own, with the gradient of the identity."""
    return Through.apply(x, value)  # type: ignore[no-any-return,no-untyped-call]


def round_through(x: Tensor) -> Tensor:
    """Round to the nearest integer, with the gradient of the identity."""
    return through(x, x.round())


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


def haar() -> Tensor:
    """The orthogonal two-level Haar transform of 4x4 blocks, float64 [16, 16]: from pixels in row order."""
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / 2**0.5
    square = torch.kron(pair, pair)  # of 2x2 pixels: their mean and three differences
    pixels = torch.eye(16, dtype=torch.float64).view(16, 1, 4, 4)
    fine = torch.einsum("kp,bphw->bkhw", square, pixel_unshuffle(pixels, 2))
    coarse = pixel_unshuffle(fine[:, :1], 2).flatten(1) @ square.T
    return torch.cat([coarse, fine[:, 1:].flatten(1)], dim=1).T.contiguous()


class Haar(nn.Module):
    """Blocks of 4x4 pixels, as channels, to their Haar coefficients and back.

    The matrix is orthogonal and the convolution beside it could hold it: what changes are the coordinates in which an
    optimiser moves each weight by itself, and with them how fast training gets on.
    """

    matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        matrix = torch.kron(torch.eye(3, dtype=torch.float64), haar()).float()
        self.register_buffer("matrix", matrix[:, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels [B, 48, h, w] of three colours to coefficients."""
        return conv2d(x, self.matrix)

    def inverse(self, y: Tensor) -> Tensor:
        """Coefficients [B, 48, h, w] to pixels."""
        with torch.autocast(y.device.type, enabled=False):
            return conv2d(wide(y), self.matrix.transpose(0, 1))


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, divided by `stride`."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def deconv(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """A transposed 5x5 convolution that doubles the size."""
    return nn.ConvTranspose2d(inputs, outputs, 5, 2, 2, 1)
