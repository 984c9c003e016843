"""What a selection found."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from yoto.errors import YotoError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from yoto.curves.selection.request import Measured, Request


@final
@dataclass(frozen=True, kw_only=True)
class SelectedPoint:
    """The point that a request led to, feasible or the nearest there is.

    Attributes:
        point: The free parameters by name, as `model.bake` and `space.point` take them.
        values: Mean of every term and metric and of the loss there, on all of the data given.
        errors: Their standard errors over the samples.
        margins: By bound, how many standard errors the mean lies inside its limit (below 0: outside); None where
            the error is 0 or unknown.
        misses: By bound that does not hold, how far it is missed, in its unit; with `confidence` of the end of the
            confidence interval.
        evaluations: How many λ the network was run at, on all or a part of the data.
        passes: Runs through the data; those of many λ at once, and of a part, counted as what they were.
        feasible: Whether every bound holds.
        limited: The limit, "evaluations" or "seconds", that ended the search before it had converged, or None.
        objective: Name of what was made small or large.
        confidence: With which probability the bounds should hold, where that was asked for.
    """

    point: dict[str, float]
    values: dict[str, float]
    errors: dict[str, float]
    margins: dict[str, float | None]
    misses: dict[str, float]
    evaluations: int
    passes: float
    feasible: bool
    limited: str | None = None
    objective: str = ""
    confidence: float | None = None
    baked: Callable[[], nn.Module] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def plain(self) -> nn.Module:
        """The plain network at the point, baked when it is first asked for.

        Raises:
            YotoError: If the point was chosen on a stored curve, without a model.
        """
        if self.baked is None:
            raise YotoError("This point was chosen on a stored curve. Bake a model there: model.bake(found.point).")
        return self.baked()

    def __str__(self) -> str:
        place = ", ".join(f"{name} = {value:.4g}" for name, value in self.point.items())
        if self.feasible:
            return f"{self.objective} = {self.values[self.objective]:.5g} at {place}"
        names = {text: text.rsplit(" ", 2)[0] for text in self.misses}
        where = "" if self.confidence is None else f" with {100 * self.confidence:g} % confidence"
        missed = "; ".join(
            f"'{text}' is missed by {amount:.3g}{where} ({names[text]} = {self.values[names[text]]:.5g})"
            for text, amount in self.misses.items()
        )
        verdict = "cannot be met" if self.limited is None else f"was not met within the limit of {self.limited}"
        return f"The request {verdict}: nearest is {place}, where {missed}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        names = ("point", "values", "errors", "margins", "misses", "evaluations", "passes", "feasible", "limited")
        return {name: getattr(self, name) for name in (*names, "objective")}


def selected(
    request: Request,
    measured: Measured,
    point: Mapping[str, float],
    *,
    evaluations: int = 0,
    passes: float = 0.0,
    limited: str | None = None,
    baked: Callable[[], nn.Module] | None = None,
) -> SelectedPoint:
    """The result for what was measured at a point."""
    excesses = dict(zip(map(str, request.bounds), request.excesses(measured), strict=True))
    margins: dict[str, float | None] = {}
    for bound in request.bounds:
        error = measured.errors.get(bound.name, 0.0)
        margins[str(bound)] = -bound.excess(measured.values[bound.name]) / error if error > 0 else None
    return SelectedPoint(
        point=dict(point),
        values=dict(measured.values),
        errors=dict(measured.errors),
        margins=margins,
        misses={text: excess for text, excess in excesses.items() if excess > 0},
        evaluations=evaluations,
        passes=passes,
        feasible=all(excess <= 0 for excess in excesses.values()),
        limited=limited,
        objective=request.objective,
        confidence=request.confidence,
        baked=baked,
    )
