"""Frames of a film: painted alike, and how steady the result is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from yoto.data.pixels import Pixels

STILL = 2
"""Levels of 255 by which a pixel may change between frames and be said to stand still."""
FRAMES = 6
"""Frames over which the shared statistics are measured, evenly spread."""


@dataclass(frozen=True)
class Consistency:
    """How much a film changes from frame to frame, means over all pairs of neighbours, in levels of 255.

    Attributes:
        frames: Number of frames.
        input_change, output_change: Mean absolute change of a pixel, before and after.
        still: Share of the pixels that stand still in the input (no colour changes by more than two levels).
        flicker: Mean absolute change of those pixels in the output; None where there are none.
    """

    frames: int
    input_change: float
    output_change: float
    still: float
    flicker: float | None

    def to_dict(self) -> dict[str, float | None]:
        """JSON-able form."""
        return asdict(self)


def chosen(count: int) -> list[int]:
    """Indices of the frames that the shared statistics come from."""
    return sorted({round(i * (count - 1) / (FRAMES - 1)) for i in range(FRAMES)})


def consistency(frames: Iterable[tuple[Pixels, Pixels]]) -> Consistency | None:
    """The measure over frames (input, output), all of one size; None for fewer than two.

    It asks for no estimate of motion: where the input moves, the output should too, and is not held against it.
    """
    count, before, after, still, flicker, pixels = 1, 0.0, 0.0, 0, 0.0, 0
    for (input0, output0), (input1, output1) in pairwise(frames):
        moved = np.abs(input1.astype(np.int16) - input0)
        changed = np.abs(output1.astype(np.int16) - output0)
        rests = moved.max(axis=2) <= STILL
        count += 1
        before += float(moved.mean())
        after += float(changed.mean())
        still += int(rests.sum())
        flicker += float(changed[rests].mean(axis=1).sum())
        pixels += rests.size
    if count == 1:
        return None
    return Consistency(
        count, before / (count - 1), after / (count - 1), still / pixels, flicker / still if still else None
    )
