"""Whether λ steers the network: how its losses follow the weights, from measured points."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from yoto.curves.consistency import Columns, crossed

FOLLOWS = -0.5
"""A term follows its weight where their rank correlation is at most this."""
EFFECT = 1e-5
"""λ has an effect where it explains more than this share of a term's variation."""
OWN = 0.7
"""A network knows its λ where this share of the losses of other points' networks at it is higher."""
WEAK, OWN_IF_WEAK = 0.02, 0.9
"""The same where λ explains at most a share WEAK of every term's variation."""
FEWEST = 5
"""Points below which nothing is told."""
SHUFFLES = 200


def ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    result = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            result[order[place]] = (start + end) / 2
        start = end + 1
    return result


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation; 0 where one of the two is constant.

    >>> rank_correlation([1.0, 2.0, 4.0], [9.0, 5.0, 5.0])
    -0.8660254037844387
    """
    first, second = ranks(one), ranks(other)
    middle = (len(first) - 1) / 2
    above = sum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    below = math.sqrt(sum((a - middle) ** 2 for a in first) * sum((b - middle) ** 2 for b in second))
    return above / below if below else 0.0


@final
@dataclass(frozen=True, kw_only=True)
class Steerability:
    """How a network's losses follow λ over a set of points.

    Attributes:
        correlation: By weight: Spearman's rank correlation of its ratio to the others with the mean of the term that it
            weighs, over the points at which nothing else varies; without a weight for which these are too few, as
            of points drawn at random. Healthy: near −1.
        share: By term: how much of its variation over points and samples λ explains, in [0, 1].
        own: Share of the losses of other points' networks, at a point's λ, that are higher than its own network's;
            a network that ignores λ has 0 or about one half. Points that differ in a parameter which weighs no term are
            not compared; None where no two are, or the loss is no weighted sum.
        shuffled_correlation, shuffled_own: The same with λ shuffled among the points, mean over 200 shuffles: what
            chance gives.
        points: How many.
    """

    correlation: dict[str, float]
    share: dict[str, float]
    own: float | None
    shuffled_correlation: dict[str, float]
    shuffled_own: float | None
    points: int

    @property
    def ineffective(self) -> bool:
        """Whether λ changes no loss to speak of."""
        return max(self.share.values(), default=0.0) <= EFFECT

    @property
    def ignored(self) -> list[str]:
        """The weights that their own terms do not follow."""
        return [name for name, value in self.correlation.items() if not value <= FOLLOWS]

    @property
    def unfounded(self) -> bool:
        """Whether networks of other λ are about as good at a λ as its own."""
        weak = max(self.share.values(), default=0.0) <= WEAK
        return self.own is not None and self.own < (OWN_IF_WEAK if weak else OWN)

    @property
    def decorative(self) -> bool:
        """Whether conditioning has no effect, or a wrong one, for one of the weights at least."""
        return self.ineffective or bool(self.ignored) or self.unfounded

    def remarks(self) -> list[str]:
        """What is wrong, a line each; none where λ steers."""
        if self.ineffective:
            largest = max(self.share.values(), default=0.0)
            return [f"λ has no effect: it explains {largest:.1g} of a loss term's variation at most"]
        found = [
            f"{name!r} does not fall as its weight rises (rank correlation {self.correlation[name]:+.2f})"
            for name in self.ignored
        ]
        if self.unfounded:
            worse = f"{100 * (self.own or 0.0):.0f} %"
            found.append(
                f"networks of other λ are about as good: {worse} of them have a higher loss at a λ than its own"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        names = ("correlation", "share", "own", "shuffled_correlation", "shuffled_own", "points", "decorative")
        return {name: getattr(self, name) for name in names}


def own_share(losses: Sequence[Sequence[float]], nets: Sequence[int] | None = None) -> float | None:
    """Share of the losses [m, m] of `crossed` off the diagonal that exceed the diagonal's; None where no two compare.

    Args:
        losses: At each λ (rows), of each network.
        nets: Which network stands for each λ; its own by default.
    """
    count = len(losses)
    own = list(range(count)) if nets is None else nets
    pairs = [
        (losses[row][net], losses[row][own[row]]) for row in range(count) for net in range(count) if net != own[row]
    ]
    known = [other > mine for other, mine in pairs if not math.isnan(other + mine)]
    return sum(known) / len(known) if known else None


def axis(name: str, weights: Sequence[Mapping[str, float]], terms: Columns) -> tuple[list[int], list[float]] | None:
    """The most points that differ in the ratio of one weight to the others alone, and that ratio; None for too few.

    Only ratios of weights matter to an optimum. Columns of λ that weigh no term are held too. Where the others change
    among themselves, a term may rise with its weight at the optimum too, so that nothing can be told.
    """
    ratios: list[float] = []
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, point in enumerate(weights):
        rest = {other: value for other, value in point.items() if other in terms and other != name}
        total = sum(rest.values()) or 1.0
        held = [value for other, value in point.items() if other not in terms]
        shares = [round(value / total, 2) for value in rest.values()]  # a simplex keeps off 0, so that edges bend a bit
        key = tuple(f"{value:.5g}" for value in (*held, *shares))
        groups.setdefault(key, []).append(index)
        ratios.append(point[name] / total)
    largest = max(groups.values(), key=len)
    return (largest, ratios) if len(groups) == 1 or len(largest) >= FEWEST else None


def steering(
    names: Sequence[str],
    weights: Sequence[Mapping[str, float]],
    terms: Columns,
    errors: Columns,
    samples: int,
    *,
    weighted_sum: bool = True,
) -> Steerability:
    """How losses follow λ, from the means of every term at each of m points.

    Args:
        names: The weights that vary.
        weights: All columns of λ at each point.
        terms: Mean of each term at each point.
        errors: Standard errors of these means; a term without counts as one that λ explains wholly.
        samples: How many the means are of.
        weighted_sum: Whether the loss is one.
    """
    shares = {}
    for name, column in terms.items():
        mean = sum(column) / len(column)
        between = sum((value - mean) ** 2 for value in column) / len(column)
        within = sum(error**2 for error in errors.get(name, ())) / len(column) * samples
        shares[name] = between / (between + within) if between > (1e-7 * mean) ** 2 else 0.0
    losses = crossed(weights, terms) if weighted_sum else None
    draw = random.Random(0)  # noqa: S311 - chance, not secrecy
    shuffles = [draw.sample(range(len(weights)), len(weights)) for _ in range(SHUFFLES)]
    found = {name: axis(name, weights, terms) for name in names if name in terms}
    axes = {name: each for name, each in found.items() if each is not None}

    def correlation(name: str, order: Sequence[int] | None = None) -> float:
        chosen, ratios = axes[name]
        nets = chosen if order is None else [chosen[i] for i in sorted(range(len(chosen)), key=lambda i: order[i])]
        return rank_correlation([ratios[i] for i in chosen], [terms[name][i] for i in nets])

    def chance(name: str) -> float:
        return sum(correlation(name, order) for order in shuffles) / len(shuffles)

    chances = [] if losses is None else [own_share(losses, each) for each in shuffles]
    known = [share for share in chances if share is not None]
    return Steerability(
        correlation={name: correlation(name) for name in axes},
        share=shares,
        own=None if losses is None else own_share(losses),
        shuffled_correlation={name: chance(name) for name in axes},
        shuffled_own=sum(known) / len(known) if known else None,
        points=len(weights),
    )
