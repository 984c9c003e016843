"""Pictures as levels 0..255 and as numbers in [0, 1], and how far two of them are apart.

Importing this module does not import torch: what paints without torch takes arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
LEVELS = 255.0
"""The largest level."""
SMALLEST_ERROR = 1e-10
"""Mean squared error below which two pictures count as equal: 100 dB."""
ROWS = 512
"""Rows that are compared at a time."""


def to_unit(images: Tensor) -> Tensor:
    """uint8 levels 0..255 as float32 in [0, 1]; the shape stays."""
    return images.float().div_(LEVELS)


def to_levels(images: Tensor) -> Tensor:
    """Images in [0, 1], clamped and rounded to uint8 levels; the shape stays."""
    return images.detach().float().mul(LEVELS).round_().clamp_(0, LEVELS).byte()


def planes(pixels: Pixels) -> Tensor:
    """A picture of levels 0..255, uint8 [H, W, C] or several [N, H, W, C], as images [N, C, H, W] in [0, 1]."""
    import torch

    levels = torch.tensor(pixels).movedim(-1, -3)
    return to_unit(levels if levels.ndim == 4 else levels[None])


def to_bytes(images: Tensor) -> Pixels:
    """Images [B, 1 or 3, H, W] in [0, 1] as pictures of levels, uint8 [B, H, W, 3]."""
    levels = to_levels(images).cpu().expand(-1, 3, -1, -1)
    return np.asarray(levels.permute(0, 2, 3, 1).contiguous().numpy())


def array_planes(pixels: Pixels) -> Floats:
    """A picture of levels, uint8 [H, W, 3], as float32 [3, H, W] in [0, 1], without torch."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(LEVELS)


def array_bytes(image: Floats) -> Pixels:
    """An image float32 [3, H, W] in [0, 1] as a picture of levels, uint8 [H, W, 3], without torch."""
    scaled = np.rint(image * np.float32(LEVELS)).clip(0, LEVELS).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(1, 2, 0))


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of mean squared errors of values in [0, 1], of the same shape; at most 100."""
    return -10 * error.clamp_min(SMALLEST_ERROR).log10()


def psnr_of(one: Pixels, other: Pixels, alpha: Pixels | None = None) -> float:
    """PSNR in dB of two pictures of levels over all colours together; 100 dB where they are equal.

    Args:
        one, other: uint8 [H, W, C].
        alpha: uint8 [H, W]; pixels where it is 0 are left out.
    """
    total, count = 0.0, one.size
    if alpha is not None:
        count = int(np.count_nonzero(alpha)) * one.shape[-1]
    for row in range(0, len(one), ROWS):
        difference = one[row : row + ROWS].astype(np.float64) - other[row : row + ROWS]
        if alpha is not None:
            difference = difference[alpha[row : row + ROWS] > 0]
        total += float(np.square(difference).sum())
    error = total / max(count, 1) / LEVELS**2
    return -10 * float(np.log10(max(error, SMALLEST_ERROR)))
