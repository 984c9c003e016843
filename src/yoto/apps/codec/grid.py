"""Tiles of the grids of latents and hyper-latents, and rows of them that are kept while a picture streams by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from yoto.apps.codec.format.container import Header

Box: TypeAlias = tuple[int, int, int, int]
"""Top, bottom, left and right of a part of a grid."""
T = TypeVar("T")


def rows_of_tiles(header: Header) -> list[list[Box]]:
    """Tiles, in hyper-latents, row by row."""
    rows: list[list[Box]] = []
    for box in header.tiles():
        if not rows or rows[-1][0][0] != box[0]:
            rows.append([])
        rows[-1].append(box)
    return rows


def scaled(box: Box, factor: int) -> Box:
    """A box on a grid that is `factor` times as fine."""
    return box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor


def widened(box: Box, halo: int, rows: int, columns: int) -> Box:
    """A box with `halo` more on each side, inside a grid."""
    top, bottom, left, right = box
    return max(0, top - halo), min(rows, bottom + halo), max(0, left - halo), min(columns, right + halo)


def inner(box: Box, outer: Box, factor: int = 1) -> tuple[slice, slice]:
    """Where a box lies in a larger one, in units of 1/factor."""
    return (
        slice((box[0] - outer[0]) * factor, (box[1] - outer[0]) * factor),
        slice((box[2] - outer[2]) * factor, (box[3] - outer[2]) * factor),
    )


def followed(items: Iterable[T]) -> Iterator[T]:
    """Each item, once the one after it has been made: with it comes what lies below a row of tiles."""
    iterator = iter(items)
    try:
        present = next(iterator)
    except StopIteration:
        return
    for following in iterator:
        yield present
        present = following
    yield present


class Rows:
    """Values on a grid as wide as the image, added a row of tiles at a time and forgotten from the top."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Tensor]] = []
        self.bottom = 0

    def add(self, tiles: Sequence[Tensor]) -> None:
        """Put the tiles [C, h, w] of one row of tiles, from left to right, below what is there."""
        row = tiles[0] if len(tiles) == 1 else torch.cat(list(tiles), dim=2)
        self.parts.append((self.bottom, row))
        self.bottom += row.shape[1]

    def at(self, box: Box) -> Tensor:
        """The values [C, h, w] of a box, which may span several rows of tiles."""
        found = []
        for top, part in self.parts:
            first, last = max(box[0] - top, 0), min(box[1] - top, part.shape[1])
            if first < last:
                found.append(part[:, first:last, box[2] : box[3]])
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def forget(self, row: int) -> None:
        """Keep nothing above a row."""
        kept = [(top, part) for top, part in self.parts if top + part.shape[1] > row]
        if kept and kept[0][0] < row:
            top, part = kept[0]
            kept[0] = (row, part[:, row - top :].clone())
        self.parts = kept
