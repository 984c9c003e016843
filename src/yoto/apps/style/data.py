"""Photographs for the style task, and paintings as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from yoto.apps.style.options import painting_file
from yoto.data import Data
from yoto.data.images import read_photograph
from yoto.data.photographs import BUNDLED, photographs_of, pictures_in, read_crops_of, read_whole
from yoto.data.pixels import Pixels, planes

if TYPE_CHECKING:
    from yoto.apps.style.options import StyleOptions

FRAME = 0.03
"""Share of a painting's height and width that is cut off at every side: frames and frayed edges."""
REFERENCE = 256
"""Side in pixels of the middles of the package's photographs that style losses are scaled by."""


def load_photographs(options: StyleOptions, split: str) -> Data:
    """Random crops for "train", whole photographs for "validation" and "test".

    Raises:
        YotoError: If there is no folder, or no photograph of this split in it.
    """
    chosen = photographs_of(options.data, split)[: options.limit]
    return read_crops_of(chosen, options.crop) if split == "train" else read_whole(chosen)


def painting(options: StyleOptions, name: str) -> Tensor:
    """A painting of the bank without its frame, shrunk to about `options.size`² pixels: [1, 3, H, W] in [0, 1]."""
    from PIL import Image

    picture = Image.fromarray(read_photograph(painting_file(name, options.styles)))
    width, height = picture.size
    box = (FRAME * width, FRAME * height, (1 - FRAME) * width, (1 - FRAME) * height)
    scale = min(1.0, options.size / (width * height) ** 0.5 / (1 - 2 * FRAME))
    size = (max(32, round((box[2] - box[0]) * scale)), max(32, round((box[3] - box[1]) * scale)))
    small = picture.resize(size, Image.Resampling.LANCZOS, box=box)
    return planes(np.asarray(small))


def middle(pixels: Pixels, side: int) -> Pixels:
    """The square in the middle of a picture uint8 [H, W, 3], or as much of it as there is; a copy."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return pixels[top : top + side, left : left + side].copy()


def references() -> Tensor:
    """Middles of the package's photographs, unstyled: [12, 3, 256, 256] in [0, 1]."""
    parts = [middle(read_photograph(file), REFERENCE) for file in pictures_in(BUNDLED)]
    return planes(np.stack(parts))
