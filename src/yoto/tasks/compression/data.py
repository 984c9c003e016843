"""Photographs for the compression task: a folder the user has, and twelve that come with the package for testing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from yoto.data import Data
from yoto.data.photographs import files_of, pictures_in, read_crops_of, read_whole
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.tasks.compression.options import CompressionOptions

BUNDLED = Path(__file__).parents[2] / "assets" / "photos"


def folder_of(options: CompressionOptions) -> Path:
    """The folder of photographs: `options.data`, else `photos` or `photographs` in YOTO_DATA, or YOTO_DATA itself.

    Raises:
        YotoError: If there is none; it says how to give one.
    """
    if options.data is not None:
        return Path(options.data)
    root = os.environ.get("YOTO_DATA")
    if root:
        for place in (Path(root) / "photos", Path(root) / "photographs", Path(root)):
            if (place / "train").is_dir():
                return place
    raise YotoError(
        "Photographs should be given as a folder. Found none. Give data=FOLDER, or set YOTO_DATA to a folder with "
        "photos/train and photos/validation in it."
    )


def files(options: CompressionOptions, split: str, *, any_folder: bool = False) -> list[Path]:
    """The photographs of a split; those for testing come with the package unless a folder is given.

    Args:
        any_folder: Whether all pictures of a folder without sub-folders `train` and so on belong to the split.
    """
    if split == "test" and options.data is None:
        return pictures_in(BUNDLED)
    folder = folder_of(options)
    if any_folder and folder.is_dir() and not (folder / "train").is_dir() and (found := pictures_in(folder)):
        return found
    return files_of(folder, split)


def load(options: CompressionOptions, split: str) -> Data:
    """Random crops for "train", whole photographs for "validation" and "test".

    Raises:
        YotoError: If there is no folder, or no photograph of this split in it.
    """
    chosen = files(options, split)
    if split == "train":
        return read_crops_of(chosen[: options.limit], options.crop)
    return read_whole(chosen)
