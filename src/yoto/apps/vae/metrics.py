"""How good and how rich a VAE's reconstructions and codes are, apart from the loss itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mean_squared_error(images: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference per image [B] of two batches [B, ...] with values in [0, 1]."""
    return (images - target).square().flatten(1).mean(1)


def psnr(images: Tensor, target: Tensor) -> Tensor:
    """`yoto.data.pixels.psnr` per image [B] by the natural logarithm, to the last digit of the curves in bundles."""
    return -10 / math.log(10) * mean_squared_error(images, target).clamp_min(1e-10).log()


def active_units(mean: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions carry information, bool [Z], from posterior means [N, Z] of many images.

    A dimension is active if its mean varies over the data by more than `threshold` (a variance; 0.01 in
    Burda et al. 2016, who introduced the measure).
    """
    return torch.var(mean, dim=0, correction=0) > threshold


def used_units(kl: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions a few images make use of, bool [Z], from `losses.kl_of_dimensions` [N, Z].

    Those with a mean KL of more than `threshold` nats: a variance over a dozen images, as `active_units` takes, says
    little.
    """
    return kl.mean(dim=0) > threshold
