"""Pareto fronts and their knees. Plain columns in, indices out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from yoto.errors import YotoError

Scale: TypeAlias = Literal["linear", "log"]
STRAIGHT = 1e-9
"""Distance from the chord, as a share of the spans, that rounding leaves."""


def non_dominated(columns: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other point is at least as good as in every column and better in one.

    Args:
        columns: Of m numbers each, all to be minimised.

    >>> non_dominated([(1.0, 2.0, 3.0), (3.0, 3.5, 1.0)])
    [0, 2]
    """
    rows = list(zip(*columns, strict=True))

    def dominated(row: tuple[float, ...]) -> bool:
        return any(other != row and all(a <= b for a, b in zip(other, row, strict=True)) for other in rows)

    return [index for index, row in enumerate(rows) if not dominated(row)]


def scaled(values: Sequence[float], scale: Scale, name: str) -> list[float]:
    """Values on a scale, brought to [0, 1].

    Raises:
        YotoError: If a logarithm is asked of a value that is not above 0, or the scale is neither.
    """
    if scale not in ("linear", "log"):
        raise YotoError(f"A scale should be 'linear' or 'log'. Found {scale!r}.")
    if scale == "log" and min(values) <= 0:
        raise YotoError(f"{name!r} on a log scale should be above 0. Found {min(values):g}.")
    placed = [math.log(value) for value in values] if scale == "log" else list(values)
    low, high = min(placed), max(placed)
    return [(value - low) / (high - low) if high > low else 0.0 for value in placed]


def knee(x: Sequence[float], y: Sequence[float]) -> int:
    """Index of the point furthest below the chord from the first end of a front to the other.

    The two columns are to be minimised and lie in [0, 1] (`scaled`); only points that are not dominated count
    (Das, "On characterizing the knee of the Pareto curve", 1999).

    Raises:
        YotoError: If fewer than three points are not dominated, or none of them lies below the chord.
    """
    front = sorted(non_dominated([x, y]), key=lambda index: x[index])
    if len(front) < 3:
        raise YotoError(
            f"A knee needs at least 3 points of which none is worse than another in both. Found {len(front)}."
        )
    first, last = front[0], front[-1]
    across, down = x[last] - x[first], y[first] - y[last]

    def distance(index: int) -> float:
        return down * (x[last] - x[index]) - across * (y[index] - y[last])

    found = max(front, key=distance)
    if distance(found) <= STRAIGHT * across * down:
        raise YotoError(
            "A knee needs a point below the chord from end to end of the front. Found none: the front is straight or "
            "bulges outwards on these scales, so that one costs the other alike or less and less."
        )
    return found
