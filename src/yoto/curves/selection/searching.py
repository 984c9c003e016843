"""Which search suits a space, and how it is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from yoto.curves.selection import one, several
from yoto.curves.selection.coordinates import Coordinates, Names
from yoto.curves.selection.evaluations import Budget, Evaluate, Evaluations, Exhausted
from yoto.curves.selection.gradients import Derive, Gradients
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.curves.selection.request import Measured, Request

Method: TypeAlias = Literal["auto", "gradient", "derivative-free", "optuna"]
METHODS = ("auto", "gradient", "derivative-free", "optuna")

GUIDED = 10
"""Evaluations along one parameter beyond a stored curve."""
UNGUIDED = 24
"""The same without one."""
SEVERAL = 100
"""Evaluations over several parameters."""
FEW = 12
"""Fewer than these are all spent on all data."""
MOST_LOOKED_AT = 64


@final
@dataclass(frozen=True, kw_only=True)
class Problem:
    """A selection without the model behind it.

    Attributes:
        request: What is wanted.
        coordinates: Where.
        evaluate: Measures λ on all data.
        evaluate_part: Measures λ on a fixed part; None where that is all.
        share: Of all data that the part is.
        derive: Every sample's quantities at λ on the part, with gradients; None where there are none.
        guide: What a stored curve says.
        budget: Limits.
        method: The search over several parameters; "auto" takes gradients where they are right.
        seed: Of what is drawn.
    """

    request: Request
    coordinates: Coordinates
    evaluate: Evaluate
    evaluate_part: Evaluate | None = None
    share: float = 1.0
    derive: Derive | None = None
    guide: Sequence[Measured] = ()
    budget: Budget = field(default_factory=Budget)
    method: Method = "auto"
    seed: int = 0

    def solve(self) -> tuple[Measured, str | None]:
        """The best of all that was measured on all data, and the limit that ended the search, if one did.

        Raises:
            YotoError: If nothing could be measured, or the method is unknown or does not suit.
        """
        if self.method not in METHODS:
            raise YotoError(f"`method` should be one of {', '.join(METHODS)}. Found {self.method!r}.")
        full = Evaluations(self.evaluate, self.budget)
        if self.method == "optuna":
            from yoto.curves.selection.bayesian import search

            limited = search(self.request, self.coordinates, full, self.seed)
        elif self.coordinates.size <= 1 and self.method == "auto":
            limited = self.along(full)
        else:
            limited = self.over(full)
        measured = list(full.known.values())
        return measured[self.request.best(measured)], limited

    def guide_of(self, names: Names) -> list[tuple[float, Measured]]:
        """What the stored curve says along the one parameter, at the options given."""
        found = [(self.coordinates.place(measured.lam), measured) for measured in self.guide]
        return [(place[0][0], measured) for place, measured in found if place is not None and place[1] == names]

    def along(self, full: Evaluations) -> str | None:
        """The search of at most one parameter, for each combination of options."""
        limited = None
        alternatives = self.coordinates.alternatives
        if self.coordinates.size == 0:
            try:
                full([self.coordinates.lam((), names) for names in alternatives])
            except Exhausted as limit:
                limited = str(limit)
            return limited
        for number, names in enumerate(alternatives):
            guide = self.guide_of(names)
            most = GUIDED if len(guide) >= one.USEFUL else UNGUIDED
            if self.budget.left is not None:
                most = max(1, self.budget.left // (len(alternatives) - number))

            def at(u: float, names: Names = names) -> tuple[float, ...]:
                return self.coordinates.lam((u,), names)

            limited = one.search(self.request, at, full, guide, most) or limited
        return limited

    def over(self, full: Evaluations) -> str | None:
        """The search over several parameters."""
        if self.budget.evaluations is None:
            self.budget.evaluations = SEVERAL
        few = self.budget.evaluations < FEW
        part = full if few or self.evaluate_part is None else Evaluations(self.evaluate_part, self.budget, self.share)
        gradients = None
        if not few and self.method != "derivative-free" and self.derive is not None:
            if part is full:  # derivatives are taken at λ in more digits than those of the answer
                part = Evaluations(self.evaluate, self.budget)
            gradients = Gradients(self.derive, self.coordinates, self.request.names, part)
        elif self.method == "gradient" and self.derive is None:
            raise YotoError("`method` should not be 'gradient' where nothing can be derived. Found no terms to derive.")
        places = max(2 * self.coordinates.size + 2, 4 * len(self.coordinates.alternatives))
        look = max(places, min(MOST_LOOKED_AT, self.budget.evaluations // 3))
        search = several.SpaceSearch(
            self.request,
            self.coordinates,
            part,
            full,
            gradients,
            self.guide,
            self.seed,
            insist=self.method == "gradient",
        )
        return several.search(search, look)
