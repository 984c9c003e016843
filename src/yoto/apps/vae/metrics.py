"""How good and how rich a VAE's reconstructions and codes are, apart from the loss itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mean_squared_error(images: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference per image [B] of two batches [B, ...] with values in [0, 1]."""
    return (images - target).square().flatten(1).mean(1)


def psnr(images: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per image [B] in decibels, for values in [0, 1]; at most 100 dB."""
    return -10 / math.log(10) * mean_squared_error(images, target).clamp_min(1e-10).log()


def active_units(mean: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions carry information, bool [Z], from posterior means [N, Z] of many images.

    A dimension is active if its mean varies over the data by more than `threshold` (a variance; 0.01 in
    Burda et al. 2016, who introduced the measure).
    """
    return torch.var(mean, dim=0, correction=0) > threshold
