"""Small square crops of the photographs in a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from yoto.data.formats import SUFFIXES
from yoto.data.images import read_photograph
from yoto.data.pixels import Pixels
from yoto.errors import YotoError

ACROSS = 8
"""Crops along the shorter side of a photograph at most; a larger one is shrunk to that."""


def read_crops(folder: str | os.PathLike[str], split: str, size: int = 32, limit: int | None = None) -> Pixels:
    """Square crops that do not overlap, from the photographs of one split.

    A photograph belongs to one split as a whole, decided by its file name alone, so that neither adding other
    photographs nor moving the folder changes it: about 80 % "train", 10 % "validation", 10 % "test".

    Args:
        folder: Searched with its sub-folders for JPEG, PNG, WebP, BMP, TIFF and PPM files.
        split: "train", "validation" or "test".
        size: Side of a crop in pixels. A photograph whose shorter side exceeds 8 crops is first shrunk to that.
        limit: Stop after so many crops.

    Returns:
        uint8 [N, 3, size, size], photograph after photograph in an order that depends on the names alone.

    Raises:
        YotoError: If the folder has no photograph of this split, or one is damaged or smaller than a crop.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise YotoError(f"{str(folder)!r} should be a folder of photographs. Found: no such folder.")
    files = pictures_in(folder)
    chosen = [file for file in files if split_of(file.name) == split]
    if not chosen:
        raise YotoError(
            f"{str(folder)!r} should have photographs for the {split} split. Found: {len(files)} photographs, "
            f"none of them falls to it by its name. Usually: add more; some 30 make every split likely."
        )
    crops: list[Pixels] = []
    for file in chosen:
        crops.extend(tiles(photograph(file, size), size))
        if limit is not None and len(crops) >= limit:
            break
    return np.stack(crops[:limit])


def pictures_in(folder: Path) -> list[Path]:
    """The picture files below a folder, in an order that depends on their names alone.

    Links to folders are followed; a folder that several lead to is read once.

    Raises:
        YotoError: If a sub-folder cannot be read.
    """
    files: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        files += [file for name in names if (file := Path(place, name)).suffix.lower() in SUFFIXES and file.is_file()]
    return sorted(files, key=lambda file: (digest(file.name), file.relative_to(folder).parts))


def unreadable(error: OSError) -> NoReturn:
    """Refuse a folder of which a part is kept from us."""
    raise YotoError(f"{error.filename!r} should be a folder that can be read. Found: {error.strerror}.") from None


def split_of(name: str) -> str:
    """The split of the photograph with this file name."""
    tenth = int(digest(name)[:8], 16) % 10
    return {0: "test", 1: "validation"}.get(tenth, "train")


def digest(name: str) -> str:
    """A fixed random number, as text, for a file name."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def photograph(file: Path, size: int) -> Pixels:
    """One photograph, upright and shrunk to at most 8 crops across, as uint8 [H, W, 3]."""
    from PIL import Image

    pixels = read_photograph(file, size * ACROSS)
    shorter = min(pixels.shape[:2])
    if shorter > size * ACROSS:
        scale = size * ACROSS / shorter
        height, width = (max(size, round(side * scale)) for side in pixels.shape[:2])
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
    if shorter < size:
        raise YotoError(
            f"{str(file)!r} should be at least {size} pixels wide and high. Found: {pixels.shape[1]}x"
            f"{pixels.shape[0]}. Give a smaller size, or take it out of the folder."
        )
    return pixels


def tiles(pixels: Pixels, size: int) -> Iterator[Pixels]:
    """The crops [3, size, size] of pixels [H, W, 3], row by row; what is left over is cut off at the edges."""
    height, width = pixels.shape[:2]
    top, left = height % size // 2, width % size // 2
    for row in range(top, height - size + 1, size):
        for column in range(left, width - size + 1, size):
            yield pixels[row : row + size, column : column + size].transpose(2, 0, 1)
