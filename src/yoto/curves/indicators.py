"""Indicators of a whole set of trade-offs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yoto.errors import YotoError
from yoto.support.directions import check_direction
from yoto.support.extras import needed
from yoto.support.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class Hypervolume:
    """Volume that a set of points dominates, up to a reference point.

    Two volumes compare only with the same reference point, so it is kept beside the value.

    Attributes:
        value: The volume, in the product of the objectives' units; `float(...)` gives it too.
        reference_point: Bound of each objective that spans the volume: from above, or from below where higher is
            better.
    """

    value: float
    reference_point: dict[str, float]

    def __float__(self) -> float:
        return self.value


def hypervolume(points: Sequence[Sequence[float]], reference_point: Sequence[float]) -> float:
    """Exact hypervolume under minimisation.

    Args:
        points: m points of d objectives; dominated ones, and ones beyond the reference point, add nothing.
        reference_point: d upper bounds.

    Returns:
        The volume of the union of the boxes between each point and the reference point.

    Raises:
        YotoError: If a number is not finite or the lengths differ.
    """
    sizes = {len(point) for point in points} | {len(reference_point)}
    if len(sizes) != 1 or not points or not reference_point:
        raise YotoError(
            "`points` and `reference_point` should have the same number of objectives, at least 1. "
            f"Found {len(points)} points and lengths {sorted(sizes)}."
        )
    if not all(math.isfinite(value) for row in (*points, reference_point) for value in row):
        raise YotoError("`points` and `reference_point` should be finite numbers. Found NaN or infinity.")
    with needed("Hypervolume"):
        import moocore

    return float(moocore.hypervolume([list(row) for row in points], ref=list(reference_point)))


def directed(
    columns: Mapping[str, Sequence[float]], reference_point: Mapping[str, float], better: Mapping[str, str]
) -> Hypervolume:
    """Hypervolume of named objectives, each of which is better lower or higher.

    Args:
        columns: For each objective, its value at each of m points.
        reference_point: For each objective, the value beyond which a point counts for nothing.
        better: "lower" or "higher" for each.

    Raises:
        YotoError: If the direction of an objective is not known.
    """
    for name in reference_point:
        if name not in better:
            raise YotoError(
                f"Whether lower or higher {name!r} is better should be known for a hypervolume. Found nothing. Give "
                f"better={{{name!r}: 'higher'}} or 'lower'.",
            )
        check_direction(repr(name), better[name])
        number(f"reference_point[{name!r}]", reference_point[name])
    signs = {name: -1.0 if better[name] == "higher" else 1.0 for name in reference_point}
    points = list(zip(*([signs[name] * value for value in columns[name]] for name in reference_point), strict=True))
    value = hypervolume(points, [signs[name] * bound for name, bound in reference_point.items()])
    return Hypervolume(value=value, reference_point=dict(reference_point))
