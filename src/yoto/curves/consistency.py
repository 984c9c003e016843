"""What a curve tells about itself: whether each λ's network is the best of the curve at its own λ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

TOLERANCE = 1e-4
"""A loss that is lower by less than this share is as good."""
DEVIATIONS = 2.0
"""Standard errors by which a slope should differ before it is told."""

Columns = Mapping[str, Sequence[float]]


@final
@dataclass(frozen=True)
class Better:
    """At one point's λ the network of another has the lower loss: training left something there.

    Attributes:
        point, other: Indices along the curve.
        own: Loss of the point's own network at its λ.
        loss: Loss of the other's.
    """

    point: int
    other: int
    own: float
    loss: float

    @property
    def share(self) -> float:
        """What is gained, as a share of the loss."""
        return (self.own - self.loss) / abs(self.own) if self.own else math.inf


@final
@dataclass(frozen=True)
class Slope:
    """Between two neighbours the curve's slope lies outside the ratios of their weights.

    At an optimum dR/dL = −λ, where L is the term that λ weighs and R the rest of the loss (envelope theorem); between
    two optima the slope lies between those at both.

    Attributes:
        point, other: Indices of the neighbours, the lower weight first.
        name: The weight.
        slope: −ΔR/ΔL.
        low, high: The two weights, between which it should lie.
        error: Standard error of the slope, from those of the means as if they were independent. They are of the same
            samples, so it is too large, and what is told is certain.
    """

    point: int
    other: int
    name: str
    slope: float
    low: float
    high: float
    error: float


def crossed(weights: Sequence[Mapping[str, float]], terms: Columns) -> list[list[float]]:
    """Loss [m, m] at the λ of each point (rows) of the network of each point (columns), as a weighted sum.

    NaN where the two differ in a column of λ that weighs no term (a quantile, ε of an attack, a style): terms may be
    other functions there, so that what was measured at one says nothing of the other. NaN too for two points of one λ.
    """
    count = len(weights)
    held = [{name: value for name, value in point.items() if name not in terms} for point in weights]

    def loss(row: int, net: int) -> float:
        if held[row] != held[net] or (row != net and weights[row] == weights[net]):
            return math.nan
        return sum(weights[row].get(name, 0.0) * column[net] for name, column in terms.items())

    return [[loss(row, net) for net in range(count)] for row in range(count)]


def is_weighted_sum(losses: Sequence[Sequence[float]], loss: Sequence[float]) -> bool:
    """Whether the stored loss is the weighted sum of the terms, so that losses at other λ can be told from it."""
    return all(
        math.isclose(row[index], value, rel_tol=1e-3, abs_tol=1e-9)
        for index, (row, value) in enumerate(zip(losses, loss, strict=True))
    )


def better_elsewhere(losses: Sequence[Sequence[float]]) -> list[Better]:
    """The points at whose λ another point of the curve has the lower loss.

    Args:
        losses: As of `crossed`.

    >>> better_elsewhere([[3.0, 2.9], [5.0, 4.0]])
    [Better(point=0, other=1, own=3.0, loss=2.9)]
    """
    found = []
    for index, row in enumerate(losses):
        best = min(range(len(row)), key=lambda other: math.inf if math.isnan(row[other]) else row[other])
        if row[best] < row[index] - TOLERANCE * abs(row[index]):
            found.append(Better(index, best, row[index], row[best]))
    return found


def slopes_beyond(
    name: str,
    weights: Sequence[Mapping[str, float]],
    terms: Columns,
    errors: Columns,
) -> list[Slope]:
    """The neighbours along one weight between which the slope is none of an optimum, beyond its error.

    Args:
        name: The weight that varies; the others are the same at all points.
        weights, terms: As of a curve.
        errors: Standard errors of the terms; those that are missing count as 0.
    """
    order = sorted(range(len(weights)), key=lambda index: weights[index][name])
    none = [0.0] * len(weights)
    found = []
    for one, other in pairwise(order):
        low, high = weights[one][name], weights[other][name]
        rest = [term for term in terms if term != name]
        down = terms[name][one] - terms[name][other]
        if high <= low or down == 0:
            continue
        up = sum(weights[one].get(term, 0.0) * (terms[term][other] - terms[term][one]) for term in rest)
        slope = up / down
        noise = [
            weights[one].get(term, 0.0) * math.hypot(errors.get(term, none)[one], errors.get(term, none)[other])
            for term in rest
        ]
        own = slope * math.hypot(errors.get(name, none)[one], errors.get(name, none)[other])
        error = math.hypot(*noise, own) / abs(down)
        if slope < low - DEVIATIONS * error or slope > high + DEVIATIONS * error:
            found.append(Slope(one, other, name, slope, low, high, error))
    return found
