"""Photographs for the compression task: a folder the user has, and twelve that come with the package for testing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.data import Data
from yoto.data.photographs import photographs_of, read_crops_of, read_whole

if TYPE_CHECKING:
    from yoto.apps.codec.options import CompressionOptions


def load_photographs(options: CompressionOptions, split: str) -> Data:
    """Random crops for "train", whole photographs for "validation" and "test".

    Raises:
        YotoError: If there is no folder, or no photograph of this split in it.
    """
    chosen = photographs_of(options.data, split)
    if split == "train":
        return read_crops_of(chosen[: options.limit], options.crop)
    return read_whole(chosen)
