"""The search along one parameter: a curve through what is known, root finding where a bound begins to hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from yoto.curves.selection.evaluations import Evaluations, Exhausted, Lam
from yoto.support.extras import needed

if TYPE_CHECKING:
    from yoto.curves.selection.request import Measured, Request

FIRST = (0.0, 1.0, 0.5, 0.25, 0.75)
"""Where an unknown curve is looked at first: its ends, then between them."""
USEFUL = 3
"""Points of a stored curve that make it a guide."""
GRID = 1001
"""Places at which the curve through what is known is searched."""
NEAR = 2e-4
"""Places closer than this, as a share of the range, are one."""
GAIN = 1e-3
"""A gain below this share of the objective is not worth an evaluation."""
DOUBT = 0.05
"""A turning point outside a bound by less than this share of the quantity's span is worth a look."""
DOUBTS = 4
"""How many such looks there are."""
EXPLORED = 1 / 16
"""Without a stored curve, a quantity that turns is looked at this closely."""


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


@final
class LineSearch:
    """The search itself.

    Args:
        request: What is wanted.
        at: λ at a place in [0, 1] of the range.
        evaluations: Measures λ.
        guide: Places and what a stored curve says of them, free of charge.
        most: How many λ may be measured in this search.
    """

    def __init__(
        self,
        request: Request,
        at: Callable[[float], Lam],
        evaluations: Evaluations,
        guide: Sequence[tuple[float, Measured]],
        most: int,
    ) -> None:
        self.request, self.at, self.evaluations, self.most = request, at, evaluations, most
        self.guide = list(guide)
        self.exact: list[tuple[float, Measured]] = []
        self.halve = False
        self.doubts = DOUBTS

    def run(self) -> None:
        """Measure until nothing is to be gained.

        Raises:
            Exhausted: If a limit is reached.
        """
        if len(self.guide) < USEFUL:
            self.measure(FIRST)
            if self.turns():
                self.measure([EXPLORED * place for place in range(1, round(1 / EXPLORED), 2)])
        while (place := self.next_place()) is not None:
            self.measure([place])

    def measure(self, places: Sequence[float]) -> None:
        """Measure at places that are new.

        Raises:
            Exhausted: If a limit, the search's own included, leaves some unmeasured.
        """
        new = [u for u in places if all(abs(u - old) > 1e-9 for old, _ in self.exact)]
        allowed = new[: self.most - len(self.exact)]
        lams = [self.at(u) for u in allowed]
        try:
            self.evaluations(lams)
        finally:
            known = self.evaluations.known
            self.exact += [(u, known[lam]) for u, lam in zip(allowed, lams, strict=True) if lam in known]
            self.exact.sort(key=lambda pair: pair[0])
        if len(allowed) < len(new):
            raise Exhausted("evaluations")

    def turns(self) -> bool:
        """Whether a quantity rises and falls along what was measured."""
        columns = [[self.request.cost(m) for _, m in self.exact]]
        columns += list(zip(*(self.request.excesses(m) for _, m in self.exact), strict=True))  # type: ignore[arg-type]
        return any(min(steps) < 0 < max(steps) for steps in (np.diff(column) for column in columns) if len(steps))

    def lines(self) -> tuple[Line, list[Line]]:
        """The objective and each bound's excess over its scale, as they are known."""
        every = [m for _, m in (*self.guide, *self.exact)]
        scales = self.request.scales(every)
        cost = Line(
            [(u, self.request.cost(m)) for u, m in self.guide], [(u, self.request.cost(m)) for u, m in self.exact]
        )
        excesses = [
            Line(
                [(u, self.request.excesses(m)[i] / scale) for u, m in self.guide],
                [(u, self.request.excesses(m)[i] / scale) for u, m in self.exact],
            )
            for i, scale in enumerate(scales)
        ]
        return cost, excesses

    def next_place(self) -> float | None:
        """The place that promises most, or None where none promises enough."""
        cost, excesses = self.lines()

        def miss(u: Any) -> Any:
            return np.max([line(u) for line in excesses], axis=0) if excesses else np.full(np.shape(u), -1.0)

        grid = np.union1d(np.linspace(0, 1, GRID), [u for u, _ in self.exact])
        costs, misses = cost(grid), miss(grid)
        inside = misses <= 0
        if not inside.any():
            return self.nearest(grid, misses, miss)
        best = int(np.argmin(np.where(inside, costs, np.inf)))
        place, promised = edge(grid, inside, best, cost, miss)
        feasible = [self.request.cost(m) for _, m in self.exact if self.request.feasible(m)]
        if not feasible:
            return self.bracketed(place)
        enough = min(feasible) - GAIN * max(abs(min(feasible)), 1e-3 * float(np.ptp(costs)))
        if promised < enough:
            found = self.bracketed(place)
            if found is not None:
                return found
        return self.doubtful(grid, misses, costs < enough)

    def nearest(self, grid: np.ndarray, misses: np.ndarray, miss: Callable[[Any], Any]) -> float | None:
        """The place that seems to miss the bounds least; close to a known one too, where it promises half its miss."""
        with needed("Selection"):
            from scipy.optimize import minimize_scalar
        index = int(np.argmin(misses))
        sides = float(grid[max(index - 1, 0)]), float(grid[min(index + 1, len(grid) - 1)])
        found = minimize_scalar(lambda u: float(miss(u)), bounds=sides, method="bounded", options={"xatol": 1e-9})
        between = found.fun < misses[index] - 1e-7  # of a span
        place = float(found.x) if between else float(grid[index])
        least = min((float(miss(u)) for u, _ in self.exact), default=np.inf)
        new = self.unless_known(place, NEAR / 100 if between and found.fun < least / 2 else 1 / GRID)
        return self.beside() if new is None and len(self.guide) < USEFUL else new

    def beside(self) -> float | None:
        """A place beside the nearest one measured, where a turn may hide between it and its neighbours."""
        scales = self.request.scales([m for _, m in self.exact])
        places = [u for u, _ in self.exact]
        index = min(range(len(places)), key=lambda i: self.request.miss(self.exact[i][1], scales))
        gaps = [(abs(places[i] - places[index]), i) for i in (index - 1, index + 1) if 0 <= i < len(places)]
        gap, other = max(gaps, default=(0.0, index))
        return (places[index] + places[other]) / 2 if gap >= 2 * EXPLORED else None

    def doubtful(self, grid: np.ndarray, misses: np.ndarray, better: np.ndarray) -> float | None:
        """A turning point that lies outside by so little that it may be inside, where it would be the better one."""
        inner = misses[1:-1]
        turning = (inner > 0) & (inner <= DOUBT) & (inner <= misses[:-2]) & (inner <= misses[2:]) & better[1:-1]
        for place in grid[1:-1][turning]:
            if self.doubts and self.unless_known(float(place)) is not None:
                self.doubts -= 1
                return float(place)
        return None

    def bracketed(self, place: float) -> float | None:
        """A place between its measured neighbours: the middle, where they hardly closed in from one side only."""
        places = [0.0, *(u for u, _ in self.exact), 1.0]
        below = max((u for u in places if u <= place), default=0.0)
        above = min((u for u in places if u >= place), default=1.0)
        known = dict(self.exact)
        crosses = (
            below in known
            and above in known
            and self.request.feasible(known[below]) != self.request.feasible(known[above])
        )
        if crosses and above - below > NEAR:
            close = min(place - below, above - place) < 0.05 * (above - below)
            if close and self.halve:
                self.halve = False
                return (below + above) / 2
            self.halve = close
        if any(abs(place - u) < NEAR / 100 for u, _ in self.exact):
            return (below + above) / 2 if crosses and above - below > NEAR else None
        return place

    def unless_known(self, place: float, near: float = 1 / GRID) -> float | None:
        """The place, where nothing near it was measured."""
        return None if any(abs(place - u) < near for u, _ in self.exact) else place


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
            found.append((float(cost(root)), hair_inside(root, -step, cost)))
    if len(found) == 1 and 0 < best < len(grid) - 1:
        low, high = float(grid[best - 1]), float(grid[best + 1])
        lowest = minimize_scalar(lambda u: float(cost(u)), bounds=(low, high), method="bounded")
        if miss(lowest.x) <= 0:
            found.append((float(lowest.fun), float(lowest.x)))
    promised, place = min(found)
    return place, promised


def hair_inside(root: float, towards: int, cost: Callable[[Any], Any]) -> float:
    """A place inside a bound's root that costs half of what is not worth an evaluation."""
    step = 1e-3
    slope = abs(float(cost(np.clip(root + towards * step, 0, 1)) - cost(root))) / step
    width = 0.5 * GAIN * abs(float(cost(root))) / slope if slope > 0 else step
    return float(np.clip(root + towards * min(width, step), 0, 1))


def search(
    request: Request,
    at: Callable[[float], Lam],
    evaluations: Evaluations,
    guide: Sequence[tuple[float, Measured]],
    most: int,
) -> str | None:
    """Search along one parameter; arguments as of `LineSearch`.

    Returns:
        The limit that ended the search, "evaluations" or "seconds", or None. What was measured is in `evaluations`.
    """
    try:
        LineSearch(request, at, evaluations, guide, most).run()
    except Exhausted as limit:
        return str(limit)
    return None
