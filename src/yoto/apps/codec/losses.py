"""The two loss terms of a codec, one value per image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from yoto.apps.codec.metrics import ms_ssim, squared_levels

if TYPE_CHECKING:
    from yoto.apps.codec.network import Coded


def dissimilarity(images: Tensor, references: Tensor) -> Tensor:
    """1 - MS-SSIM [B] of images [B, C, H, W] in [0, 1]."""
    return 1 - ms_ssim(images, references)


DISTORTIONS = {"mse": squared_levels, "ms-ssim": dissimilarity}
"""By the name that options have."""


def bits_per_pixel(coded: Coded) -> Tensor:
    """Estimated rate [B] of coded images."""
    pixels = coded.image.shape[-1] * coded.image.shape[-2]
    return (coded.latent_bits + coded.hyper_bits) / pixels
