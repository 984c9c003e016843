"""Quantities along one parameter: curves through what is known of them, and where on these the best place lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from yoto.support.extras import needed

GRID = 1001
"""Places at which the curve through what is known is searched."""
GAIN = 1e-3
"""A gain below this share of the objective, or of its span where that is smaller, is not worth an evaluation."""


class Known(NamedTuple):
    """What is known of a place: cost and miss as measured, or as the guide says."""

    u: float
    cost: float
    miss: float


@final
class Line:
    """One quantity along the range, by a stored curve (the guide) and by what was measured on the data given.

    The guide may be of other data: it lends its shape, moved by what separates it from the measurements.
    """

    def __init__(self, guide: Sequence[tuple[float, float]], exact: Sequence[tuple[float, float]]) -> None:
        self.guide = curve_through(guide) if guide else None
        self.exact = curve_through([(u, value - self.base(u)) for u, value in exact]) if exact else None

    def base(self, u: Any) -> Any:
        """The guide alone."""
        return 0.0 * u if self.guide is None else self.guide(u)

    def __call__(self, u: Any) -> Any:
        """The quantity at places in [0, 1]."""
        return self.base(u) + (0.0 if self.exact is None else self.exact(u))


def curve_through(pairs: Sequence[tuple[float, float]]) -> Callable[[Any], Any]:
    """A curve through (place, value), constant beyond the outer ones.

    Without overshoot (PCHIP), but for the intervals on both sides of a point where the values turn: there the curve
    may turn between points (modified Akima).
    """
    with needed("Selection"):
        from scipy.interpolate import Akima1DInterpolator, PchipInterpolator
    found = dict(sorted(pairs))
    places, values = np.array(list(found)), np.array(list(found.values()))
    if len(places) == 1:
        return lambda u: np.zeros_like(u) + values[0]
    monotone, turning = PchipInterpolator(places, values), Akima1DInterpolator(places, values, method="makima")
    steps = np.sign(np.diff(values))
    turns = np.concatenate([[False], steps[1:] * steps[:-1] < 0, [False]])
    around = turns[1:] | turns[:-1]

    def through(u: Any) -> Any:
        inside = np.clip(u, places[0], places[-1])
        interval = np.clip(np.searchsorted(places, inside, side="right") - 1, 0, len(around) - 1)
        return np.where(around[interval], turning(inside), monotone(inside))

    return through


def neighbours(at: float, known: Sequence[Known]) -> list[Known]:
    """The nearest known places on both sides, but for those that are next to it."""
    below = [each for each in known if each.u < at - 1 / GRID]
    above = [each for each in known if each.u > at + 1 / GRID]
    return below[-1:] + above[:1]


def worth(cost: float, costs: np.ndarray) -> float:
    """The gain from a cost that is worth an evaluation, given costs all along the range."""
    span = float(np.ptp(costs))
    return GAIN * min(max(abs(cost), 1e-3 * span), span)


def edge(
    grid: np.ndarray, inside: np.ndarray, best: int, cost: Callable[[Any], Any], miss: Callable[[Any], Any]
) -> tuple[float, float]:
    """The best place near grid point `best`, and the objective promised there.

    Where the neighbour on one side lies outside, the bound's root between the two, a hair inside; else the minimum
    between the neighbours.
    """
    with needed("Selection"):
        from scipy.optimize import brentq, minimize_scalar
    start = float(grid[best])
    found = [(float(cost(start)), start)]
    for step in (-1, 1):
        other = best + step
        if 0 <= other < len(grid) and not inside[other]:
            root = start if miss(start) == 0 else brentq(lambda u: float(miss(u)), start, float(grid[other]), xtol=1e-9)
            found.append((float(cost(root)), hair_inside(root, -step, cost, worth(float(cost(root)), cost(grid)))))
    if len(found) == 1 and 0 < best < len(grid) - 1:
        low, high = float(grid[best - 1]), float(grid[best + 1])
        lowest = minimize_scalar(lambda u: float(cost(u)), bounds=(low, high), method="bounded")
        if miss(lowest.x) <= 0:
            found.append((float(lowest.fun), float(lowest.x)))
    promised, place = min(found)
    return place, promised


def hair_inside(root: float, towards: int, cost: Callable[[Any], Any], gain: float) -> float:
    """A place inside a bound's root that costs half of the gain that is worth an evaluation."""
    step = 1e-3
    slope = abs(float(cost(np.clip(root + towards * step, 0, 1)) - cost(root))) / step
    width = 0.5 * gain / slope if slope > 0 else step
    return float(np.clip(root + towards * min(width, step), 0, 1))
