"""Distortion of images."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from yoto.data import pixels
from yoto.data.pixels import LEVELS

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales (Wang et al., "Multi-scale Structural Similarity for Image Quality Assessment", 2003)."""


def squared_levels(images: Tensor, references: Tensor) -> Tensor:
    """Mean squared error [B] in squared 8-bit levels, of images [B, C, H, W] in [0, 1]."""
    return (images - references).square().flatten(1).mean(1) * LEVELS**2


def psnr(images: Tensor, references: Tensor) -> Tensor:
    """`yoto.data.pixels.psnr` [B] of images [B, C, H, W] in [0, 1], over all colours together."""
    return pixels.psnr(squared_levels(images, references) / LEVELS**2)


@lru_cache(maxsize=8)
def window(size: int, deviation: float = 1.5) -> Tensor:
    """A normalised Gaussian window [size]."""
    places = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    values = (-(places**2) / (2 * deviation**2)).exp()
    return values / values.sum()


def blur(images: Tensor, size: int) -> Tensor:
    """Gaussian window means of [B, C, H, W] without padding."""
    taps = window(size).to(images.device, images.dtype)
    channels = images.shape[1]
    images = conv2d(images, taps.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return conv2d(images, taps.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def ms_ssim(images: Tensor, references: Tensor) -> Tensor:
    """Multi-scale structural similarity [B] in [0, 1], of images [B, C, H, W] in [0, 1], mean over colours.

    Wang et al. 2003: five scales, an 11x11 Gaussian window of deviation 1.5, 2x2 means between scales. Images
    with a side under 176 pixels have fewer scales, with the weights that are left brought to the sum 1; one under
    11 pixels gets a window of its size.
    """
    side = min(images.shape[-2:])
    scales = 1
    while scales < len(MS_SSIM_WEIGHTS) and side // 2**scales >= 11:
        scales += 1
    weights = torch.tensor(MS_SSIM_WEIGHTS[:scales], device=images.device)
    weights = weights / weights.sum()
    first, second = 0.01**2, 0.03**2
    parts = []
    x, y = images, references
    for scale in range(scales):
        size = min(11, *x.shape[-2:])
        mean_x, mean_y = blur(x, size), blur(y, size)
        var_x = blur(x * x, size) - mean_x**2
        var_y = blur(y * y, size) - mean_y**2
        cov = blur(x * y, size) - mean_x * mean_y
        structure = (2 * cov + second) / (var_x + var_y + second)
        if scale == scales - 1:
            structure = structure * (2 * mean_x * mean_y + first) / (mean_x**2 + mean_y**2 + first)
        parts.append(structure.flatten(2).mean(2).clamp_min(1e-6))
        if scale < scales - 1:
            odd = (x.shape[-1] % 2, x.shape[-2] % 2)
            x, y = (avg_pool2d(v, 2, padding=(odd[1], odd[0]), count_include_pad=False) for v in (x, y))
    stacked = torch.stack(parts, dim=-1)
    return stacked.pow(weights).prod(-1).mean(1)
