"""The search along one parameter: a curve through what is known, root finding where a bound begins to hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from yoto.curves.selection.evaluations import Evaluations, Exhausted, Lam
from yoto.curves.selection.line import GRID, Known, Line, edge, neighbours, worth
from yoto.support.extras import needed

if TYPE_CHECKING:
    from yoto.curves.selection.request import Measured, Request

FIRST = (0.0, 1.0, 0.5, 0.25, 0.75)
"""Where an unknown curve is looked at first: its ends, then between them."""
USEFUL = 3
"""Points of a stored curve that make it a guide."""
SPACING = 1e-9
"""Places no further apart than this are one that was measured."""
NEAR = 2e-4
"""Places closer than this, as a share of the range, are one."""
DOUBT = 0.05
"""A turning point outside a bound by less than this share of the quantity's span is worth a look."""
DOUBTS = 4
"""How many such looks there are."""
EXPLORED = 1 / 16
"""Without a stored curve, a quantity that turns is looked at this closely."""
SAME = 1e-4
"""A stored curve that differs from what is measured by less than this share of its span is of the same data."""
FLAT = 1 / 20
"""A bound that rises so much slower before it is missed than behind tells nothing of where that happens."""
DIP = 1.0
"""A miss may become smaller between known places by this multiple of what it changes by around them."""
TURN = 0.1
"""An objective, measured on both sides of its turn, by this one."""
LOOKS = 4
"""How many places beside the best are looked at for such a turn."""


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
        self.halve, self.gap = False, 1.0
        self.doubts, self.looks = DOUBTS, LOOKS

    def run(self) -> None:
        """Measure until nothing is to be gained.

        Raises:
            Exhausted: If a limit is reached.
        """
        if len(self.guide) < USEFUL:
            self.measure(FIRST)
            if self.turns():
                self.measure([EXPLORED * place for place in range(1, round(1 / EXPLORED), 2)])
        while (place := self.next_place()) is not None and self.unless_known(place, SPACING) is not None:
            self.measure([place])

    def measure(self, places: Sequence[float]) -> None:
        """Measure at places that are new.

        Raises:
            Exhausted: If a limit, the search's own included, leaves some unmeasured.
        """
        new = [u for u in places if self.unless_known(u, SPACING) is not None]
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
        scales = self.request.scales([m for _, m in (*self.guide, *self.exact)])
        guide, exact = self.guide, self.exact
        if self.of_these_data():
            guide, exact = [], [*self.unmeasured(), *self.exact]
        cost = Line([(u, self.request.cost(m)) for u, m in guide], [(u, self.request.cost(m)) for u, m in exact])
        excesses = [
            Line(
                [(u, self.request.excesses(m)[i] / scale) for u, m in guide],
                [(u, self.request.excesses(m)[i] / scale) for u, m in exact],
            )
            for i, scale in enumerate(scales)
        ]
        return cost, excesses

    def unmeasured(self) -> list[tuple[float, Measured]]:
        """The guide, without the places that were measured."""
        return [(u, said) for u, said in self.guide if self.unless_known(u, SPACING) is not None]

    def compared(self) -> bool:
        """Whether a place of the guide was measured."""
        return bool(self.pairs())

    def pairs(self) -> list[tuple[Measured, Measured]]:
        """What the guide says and what was measured, at places of both."""
        return [(said, found) for u, said in self.guide for v, found in self.exact if abs(u - v) <= SPACING]

    def of_these_data(self) -> bool:
        """Whether the guide says what was measured, wherever it can be compared: it is then of the data given."""
        pairs = self.pairs()
        spans = {name: np.ptp([m.values[name] for _, m in self.guide]) for name in self.request.names} if pairs else {}
        return bool(pairs) and all(
            abs(said.values[name] - found.values[name]) <= SAME * span
            for said, found in pairs
            for name, span in spans.items()
        )

    def unbelieved(self) -> float | None:
        """The guide's best place, where that would be better than all that was measured, if none was compared yet."""
        if not (self.guide and self.exact) or self.compared():
            return None
        both = [*self.guide, *self.exact]
        best = self.request.best([m for _, m in both])
        return both[best][0] if best < len(self.guide) else None

    def next_place(self) -> float | None:
        """The place that promises most, or None where none promises enough."""
        if (place := self.unbelieved()) is not None:
            return place
        cost, excesses = self.lines()

        def miss(u: Any) -> Any:
            return np.max([line(u) for line in excesses], axis=0) if excesses else np.full(np.shape(u), -1.0)

        grid = np.union1d(np.linspace(0, 1, GRID), [u for u, _ in self.exact])
        costs, misses = cost(grid), miss(grid)
        known = self.known(cost, miss)
        inside = misses <= 0
        if not inside.any():
            return self.nearest(grid, misses, miss, known)
        best = int(np.argmin(np.where(inside, costs, np.inf)))
        found, promised = edge(grid, inside, best, cost, miss)
        feasible = [(self.request.cost(m), u) for u, m in self.exact if self.request.feasible(m)]
        if not feasible:
            between = self.bracketed(found, known)
            return self.beside(known) if between is None else between
        lowest, at = min(feasible)
        enough = lowest - worth(lowest, costs)
        better = costs < enough
        looks: tuple[Callable[[], float | None], ...] = (
            lambda: self.bracketed(found, known) if promised < enough else None,
            lambda: self.crossing(at, known, grid[better]),
            lambda: self.turning(at, known),
            lambda: self.doubtful(grid, misses, better),
        )
        return next((place for look in looks if (place := look()) is not None), None)

    def known(self, cost: Line, miss: Callable[[Any], Any]) -> list[Known]:
        """Every place that was measured or that the guide has, in order."""
        places = np.array(sorted(u for u, _ in (*self.unmeasured(), *self.exact)))
        return [Known(*map(float, row)) for row in zip(places, cost(places), miss(places), strict=True)]

    def nearest(
        self, grid: np.ndarray, misses: np.ndarray, miss: Callable[[Any], Any], known: Sequence[Known]
    ) -> float | None:
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
        return self.beside(known) if new is None else new

    def beside(self, known: Sequence[Known]) -> float | None:
        """A place beside the nearest one known, where a turn that meets the bounds may hide before its neighbours."""
        least = min(known, key=lambda each: each.miss)
        around = neighbours(least.u, known)
        if self.guide and not self.compared() and around:
            return min(around, key=lambda each: each.miss).u
        change = max((each.miss - least.miss for each in around), default=0.0)
        closest = 2.1 / GRID if least.miss <= DIP * change else 2 * EXPLORED if len(self.guide) < USEFUL else 1.0
        gap, _, other = max(((abs(each.u - least.u), -each.miss, each.u) for each in around), default=(0.0, 0.0, 0.0))
        return self.unless_known((least.u + other) / 2, NEAR) if gap >= closest else None

    def crossing(self, at: float, known: Sequence[Known], better: np.ndarray) -> float | None:
        """The middle between the last place within the bounds and the first outside, where between could be better.

        Only where the bound gave no warning on the way there, as at the floor of a quantity: else its root is where
        it was looked for.
        """
        for line in ([each for each in known if each.u >= at], [each for each in reversed(known) if each.u <= at]):
            outside = next((i for i, each in enumerate(line) if each.miss > 0), 0)
            if not outside:
                continue
            last, first = line[outside - 1], line[outside]
            gap = abs(first.u - last.u)
            if gap <= NEAR or not ((better > min(last.u, first.u)) & (better < max(last.u, first.u))).any():
                continue
            inner = [each for each in known if (each.u - last.u) * (last.u - first.u) > 0]
            before = min(inner, key=lambda each: abs(each.u - last.u), default=last)
            rise = (last.miss - before.miss) / abs(last.u - before.u) if inner else 0.0
            if rise < FLAT * (first.miss - last.miss) / gap:
                return (last.u + first.u) / 2
        return None

    def turning(self, at: float, known: Sequence[Known]) -> float | None:
        """A place beside the best one, between worse ones, where the objective may turn elsewhere than it seems to."""
        best, around = next(each for each in known if each.u == at), neighbours(at, known)
        costs = np.array([each.cost for each in known])
        if not self.looks or len(around) < 2 or any(each.miss > 0 or each.cost < best.cost for each in around):
            return None
        *_, other = max((abs(each.u - at), -each.cost, each.u) for each in around)
        if TURN * (max(each.cost for each in around) - best.cost) < worth(best.cost, costs):
            return None
        self.looks -= 1
        return self.unless_known((at + other) / 2, NEAR)

    def doubtful(self, grid: np.ndarray, misses: np.ndarray, better: np.ndarray) -> float | None:
        """A turning point that lies outside by so little that it may be inside, where it would be the better one."""
        inner = misses[1:-1]
        turning = (inner > 0) & (inner <= DOUBT) & (inner <= misses[:-2]) & (inner <= misses[2:]) & better[1:-1]
        for place in grid[1:-1][turning]:
            if self.doubts and self.unless_known(float(place)) is not None:
                self.doubts -= 1
                return float(place)
        return None

    def bracketed(self, place: float, known: Sequence[Known]) -> float | None:
        """A place between its known neighbours: the middle, where they hardly closed in from one side only."""
        below = max((each for each in known if each.u <= place), default=None, key=lambda each: each.u)
        above = min((each for each in known if each.u >= place), default=None, key=lambda each: each.u)
        gap = 0.0 if below is None or above is None else above.u - below.u
        crosses = below is not None and above is not None and (below.miss <= 0) != (above.miss <= 0) and gap > NEAR
        if below is not None and above is not None and crosses:
            slow = min(place - below.u, above.u - place) < 0.05 * gap or 0.75 * self.gap < gap < self.gap
            self.gap = gap
            if slow and self.halve:
                return (below.u + above.u) / 2
            self.halve = slow
        if any(abs(place - u) < NEAR / 100 for u, _ in self.exact):
            return (below.u + above.u) / 2 if below is not None and above is not None and crosses else None
        return place

    def unless_known(self, place: float, near: float = 1 / GRID) -> float | None:
        """The place, where nothing near it was measured."""
        return None if any(abs(place - u) < near for u, _ in self.exact) else place


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
