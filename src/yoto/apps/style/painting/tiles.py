"""Pictures larger than memory allows at once: overlapping tiles, all normalised by the same statistics.

Instance norm makes every output depend on the whole picture, so tiles on their own would show seams. Here the mean and
variance at each norm are measured once, on a smaller copy of the picture, and used for every tile (Chen et al.,
"Towards Ultra-Resolution Neural Style Transfer via Thumbnail Instance Normalization", AAAI 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from yoto.apps.style.painting.engines import Engine
from yoto.data.images import shrunk
from yoto.data.pixels import Floats, Pixels, array_bytes, array_planes
from yoto.space import Value

WHOLE = 3 * 2**20
"""Pixels of the largest picture that is painted at once, and of pictures whose statistics are measured."""
TILE = 640
"""Side of a tile, pixels; a multiple of the network's stride."""
HALO = 96
"""What a tile sees beyond itself on every side, pixels; likewise."""
SMALLEST = 32
"""Shortest side that is painted, pixels: two samples at the innermost of four reductions."""


def paint(
    engine: Engine,
    pixels: Pixels,
    values: Mapping[str, Value],
    *,
    statistics: Floats | None = None,
    whole: int = WHOLE,
    tile: int = TILE,
    halo: int = HALO,
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """A picture uint8 [H, W, 3] of any size, stylised.

    Args:
        statistics: To normalise by, for frames of one film; the picture's own by default.
        whole: Pixels up to which a picture is painted at once.
        tile, halo: As the module's constants.
        progress: Called with the number of tiles done and their total.
    """
    shape = pixels.shape
    pixels = large_enough(pixels)
    height, width = pixels.shape[:2]
    if height * width <= whole:
        painted, _ = engine(array_planes(pixels)[None], values, statistics)
        return array_bytes(painted[0])[: shape[0], : shape[1]]
    if statistics is None:
        statistics = measured(engine, [pixels], values)
    rows, columns = edges(height, tile), edges(width, tile)
    result = np.empty_like(pixels)
    total, done = (len(rows) - 1) * (len(columns) - 1), 0
    for top, bottom in pairwise(rows):
        above, below = max(0, top - halo), min(height, bottom + halo)
        for left, right in pairwise(columns):
            before, behind = max(0, left - halo), min(width, right + halo)
            part, _ = engine(array_planes(pixels[above:below, before:behind])[None], values, statistics)
            inner = part[0][:, top - above : bottom - above, left - before : right - before]
            result[top:bottom, left:right] = array_bytes(inner)
            done += 1
            if progress is not None:
                progress(done, total)
    return result[: shape[0], : shape[1]]


def large_enough(pixels: Pixels) -> Pixels:
    """A picture whose sides the network takes: its last rows and columns are repeated where it is too small."""
    missing = [max(0, SMALLEST - length) for length in pixels.shape[:2]]
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge") if any(missing) else pixels


def edges(length: int, tile: int) -> list[int]:
    """Where tiles along a side begin and end; the last is not shorter than half a tile if there are several."""
    result = list(range(0, max(1, length - tile // 2), tile))
    return [*result, length]


def measured(engine: Engine, pictures: Sequence[Pixels], values: Mapping[str, Value]) -> Floats:
    """Mean and variance at every norm over several pictures taken together, whole but shrunk to `WHOLE` pixels in all.

    Parts at full resolution would tell less: their own borders and what they leave out move every norm.
    """
    scale = math.sqrt(WHOLE / sum(pixels.shape[0] * pixels.shape[1] for pixels in pictures))
    small = [large_enough(shrunk(pixels, max(1, int(max(pixels.shape) * scale)))) for pixels in pictures]
    height, width = (min(pixels.shape[axis] for pixels in small) for axis in (0, 1))
    _, used = engine(np.stack([array_planes(pixels[:height, :width]) for pixels in small]), values)
    return used
