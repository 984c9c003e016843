"""The search over several parameters: a first look everywhere, then local searches from the best of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np

from yoto.curves.selection.coordinates import Coordinates, Names, Place
from yoto.curves.selection.evaluations import Evaluations, Exhausted, Lam
from yoto.curves.selection.local import Local
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.curves.selection.gradients import Gradients
    from yoto.curves.selection.request import Measured, Request

SAFE = 0.01
"""How far inside its bounds by the part of the data the last resort lies, as a share of the quantity's span."""
MOVED = 2e-3
"""A move of a bound by the part of the data that is worth another search, likewise."""
SETTLING = 8
"""Evaluations of such a search."""
LAST = 25
"""The same on all data."""
APPROACH = 30
"""Evaluations of the search for the point nearest to bounds that nothing meets."""
PENALTY = 10.0
"""Of a miss over its span, in spans of the objective."""
APART = 0.1
"""Starts differ by at least this much in a coordinate."""


@final
class SpaceSearch:
    """The whole search.

    Args:
        request: What is wanted.
        coordinates: Where.
        part: Measures on a fixed part of the data.
        full: Measures on all data; the same object where the part is all.
        gradients: Exact derivatives on the part, or None.
        guide: λ and what a stored curve says of them, free of charge.
        seed: Of the first look.
        insist: Whether derivatives that are not those of what is measured are an error.
    """

    STARTS = 3

    def __init__(
        self,
        request: Request,
        coordinates: Coordinates,
        part: Evaluations,
        full: Evaluations,
        gradients: Gradients | None,
        guide: Sequence[Measured],
        seed: int,
        insist: bool = False,
    ) -> None:
        self.request, self.coordinates, self.part, self.full = request, coordinates, part, full
        self.gradients, self.guide, self.seed, self.insist = gradients, guide, seed, insist
        self.places: dict[Lam, Place] = {}

    def look(self, n: int) -> None:
        """Measure n places spread over the space, and the best that the guide knows."""
        places = self.coordinates.draw(n, self.seed)
        scales = self.request.scales(self.guide)
        for measured in sorted(
            self.guide, key=lambda m: (max(self.request.miss(m, scales), 0.0), self.request.cost(m))
        ):
            place = self.coordinates.place(measured.lam)
            if place is not None:
                places.append(place)
            if len(places) == n + self.STARTS:
                break
        self.places = {self.coordinates.lam(*place): place for place in places}
        self.part(list(self.places))

    def sizes(self) -> tuple[float, tuple[float, ...]]:
        """Sizes of the objective and of each bound's excess over what was measured."""
        known = list(self.part.known.values())
        costs = [self.request.cost(m) for m in known]
        best = abs(costs[self.request.best(known)])
        span = max(costs) - min(costs)
        return (min(span, 10 * best) or span or 1.0), self.request.scales(known)

    def starts(self) -> list[Place]:
        """The best places that were looked at, apart from each other; one for each alternative at least."""
        span, scales = self.sizes()

        def merit(lam: Lam) -> float:
            measured = self.part.known[lam]
            return self.request.cost(measured) / span + PENALTY * max(0.0, self.request.miss(measured, scales))

        chosen: list[Place] = []
        for lam in sorted(self.places, key=merit):
            x, names = self.places[lam]
            apart = all(names != other or np.max(np.abs(np.subtract(x, y)), initial=0.0) > APART for y, other in chosen)
            if apart and sum(names == other for _, other in chosen) < self.STARTS:
                chosen.append((x, names))
        firsts = [place for i, place in enumerate(chosen) if place[1] not in [names for _, names in chosen[:i]]]
        return firsts + [place for place in chosen if place not in firsts]

    def local(self, names: Names, most: int, shifts: Sequence[float] | None = None) -> Local:
        """The problem of a local search."""
        span, scales = self.sizes()
        return Local(
            request=self.request,
            coordinates=self.coordinates,
            names=names,
            evaluations=self.part,
            gradients=self.gradients,
            cost_scale=span,
            scales=scales,
            shifts=shifts or (0.0,) * len(scales),
            most=most,
        )

    def improve(self) -> None:
        """Local searches from the starts, each with its share of the evaluations that are left."""
        starts = self.starts()
        if self.gradients is not None and not self.gradients.agree(starts[0]):
            if self.insist:
                raise YotoError(
                    "`method` should be 'gradient' only where quantities can be derived by λ. Found other derivatives "
                    "than differences, or none: a quantity is rounded, thresholded or detached. Use 'derivative-free'."
                )
            self.gradients = None
        wanted = max(self.STARTS, len(self.coordinates.alternatives))
        for number, (x, names) in enumerate(starts[:wanted]):
            left = self.part.budget.left
            share = (
                30 if left is None else max(2 * self.coordinates.size + 4, left // (wanted - number + (not self.met())))
            )
            self.local(names, share).run(x)
        if not self.met():
            self.approach()

    def met(self) -> bool:
        """Whether a point that was measured meets the bounds."""
        return any(self.request.feasible(measured) for measured in self.part.known.values())

    def approach(self) -> None:
        """Where no point meets the bounds, look for the nearest, and go on from it if it does meet them."""
        lam = self.leader((0.0,) * len(self.request.bounds))
        place = self.coordinates.place(lam)
        if place is None:
            return
        replace(self.local(place[1], APPROACH), nearest=True).run(place[0])
        lam = self.leader((0.0,) * len(self.request.bounds))
        found = self.coordinates.place(lam)
        if found is not None and self.request.feasible(self.part.known[lam]):
            self.local(found[1], APPROACH).run(found[0])

    def settle(self, rounds: int = 3) -> None:
        """Measure the best on all data, and search again where the part of the data moves its bounds.

        With derivatives: on the part, its bounds moved. What is left is spent on all data without them.

        Raises:
            Exhausted: If a limit is reached.
        """
        shifts: tuple[float, ...] = (0.0,) * len(self.request.bounds)
        for _ in range(rounds if self.gradients is not None else 1):
            lam = self.leader(shifts)
            (whole,) = self.full([lam])
            pairs = zip(self.request.excesses(whole), self.request.excesses(self.part.known[lam]), strict=True)
            found = tuple(of_all - of_part for of_all, of_part in pairs)
            scales = self.sizes()[1]
            moved = max((abs(a - b) / s for a, b, s in zip(found, shifts, scales, strict=True)), default=0.0)
            shifts, place = found, self.coordinates.place(lam)
            if (self.request.feasible(whole) and moved <= MOVED) or place is None:
                return
            if self.gradients is not None:
                self.local(place[1], SETTLING, shifts).run(place[0])
        lam = self.leader(shifts)
        safe = [move + SAFE * each for move, each in zip(shifts, self.sizes()[1], strict=True)]
        self.full([lam, self.leader(safe)])
        place = self.coordinates.place(lam)
        if place is not None and self.part.share < 1:
            last = replace(self.local(place[1], LAST), evaluations=self.full, gradients=None)
            last.run(place[0], radius=0.03)

    def leader(self, shifts: Sequence[float]) -> Lam:
        """The best λ by the part of the data, its excesses moved by `shifts`."""
        known = list(self.part.known)
        _, scales = self.sizes()

        def rank(lam: Lam) -> tuple[float, float]:
            excesses = self.request.excesses(self.part.known[lam])
            moved = [(e + move) / scale for e, move, scale in zip(excesses, shifts, scales, strict=True)]
            return (max([0.0, *moved]), self.request.cost(self.part.known[lam]))

        return min(known, key=rank)


def search(space_search: SpaceSearch, look: int) -> str | None:
    """The whole search within the budget's limits.

    Args:
        space_search: What is searched.
        look: Places of the first look.

    Returns:
        The limit that ended it, "evaluations" or "seconds", or None. What was measured is in the evaluations.
    """
    budget, limited = space_search.part.budget, None
    if space_search.full is not space_search.part:
        budget.reserve = 4 if space_search.part.share == 1 else (budget.evaluations or 16) // 4
    try:
        space_search.look(look)
        space_search.improve()
    except Exhausted as limit:
        limited = str(limit)
    budget.reserve = 0
    try:
        space_search.settle()
    except Exhausted as limit:
        limited = str(limit)
    if not space_search.full.known:
        space_search.full.insist(space_search.leader((0.0,) * len(space_search.request.bounds)))
    return limited
