"""What measured points tell by themselves, without a model: the best of them, and what speaks against them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

from yoto.curves.consistency import Better, Slope, better_elsewhere, crossed, is_weighted_sum, slopes_beyond
from yoto.curves.selection.bounds import Bound, Sense
from yoto.curves.selection.front import Scale, knee, non_dominated, scaled
from yoto.curves.selection.request import Measured, Request, request
from yoto.curves.selection.result import SelectedPoint, selected
from yoto.curves.steering import FEWEST, Steerability, steering
from yoto.errors import YotoError
from yoto.support.numbers import is_number

WORTH_SAYING = 1e-3
"""Share of a loss by which another point has to be better before it is remarked; training's own noise leaves less."""


class Measurements(ABC):
    """Points that were measured, from which one may be chosen. What is abstract here is the curve's own."""

    points: tuple[dict[str, float], ...]
    weights: tuple[dict[str, float], ...]
    terms: dict[str, tuple[float, ...]]
    loss: tuple[float, ...]
    metrics: dict[str, tuple[float, ...]]
    errors: dict[str, tuple[float, ...]]
    better: dict[str, Any]
    info: dict[str, Any]

    @abstractmethod
    def series(self, name: str) -> tuple[float, ...]:
        """The values of a term, a metric or "loss" along the curve."""

    @abstractmethod
    def take(self, indices: Sequence[int]) -> Self:
        """The curve at some of its points, in the order given."""

    def measured(self) -> list[Measured]:
        """Every point, as a search knows it."""
        names = dict.fromkeys(["loss", *self.metrics, *self.terms])
        columns = {name: self.series(name) for name in names}
        return [
            Measured(
                lam=tuple(weights.values()),
                values={name: column[index] for name, column in columns.items()},
                errors={name: column[index] for name, column in self.errors.items()},
                samples=int(self.info.get("n", 0)),
            )
            for index, weights in enumerate(self.weights)
        ]

    def best(
        self,
        *,
        minimise: str | None = None,
        maximise: str | None = None,
        subject_to: str | Sequence[str | Bound] = (),
        confidence: float | None = None,
    ) -> SelectedPoint:
        """The measured point that meets the bounds and is best otherwise, or the nearest one; nothing is measured.

        Args:
            minimise, maximise: Name of a term, a metric or "loss": one of the two.
            subject_to: Bounds as people write them, such as ["reconstruction <= 250"].
            confidence: With which probability the bounds should hold, as of `select`.

        Raises:
            YotoError: If a name is unknown, or bounds contradict each other.

        >>> from yoto import TradeoffCurve
        >>> curve = TradeoffCurve(
        ...     points=[{"kl": 0.5}, {"kl": 2.0}, {"kl": 8.0}],
        ...     terms={"fit": [1.0, 2.0, 5.0], "kl": [4.0, 1.5, 1.0]}, loss=[3.0, 5.0, 13.0],
        ... )
        >>> found = curve.best(minimise="kl", subject_to=["fit <= 3"])
        >>> found.point, found.values["kl"], found.feasible
        ({'kl': 2.0}, 1.5, True)
        """
        return self.chosen(request(minimise, maximise, subject_to, confidence))

    def chosen(self, wanted: Request) -> SelectedPoint:
        """The best measured point for a request."""
        measured = self.measured()
        wanted.check(list(measured[0].values))
        index = wanted.best(measured)
        return selected(wanted, measured[index], self.points[index])

    def direction(self, name: str) -> float:
        """1 where lower is better, −1 where higher is.

        Raises:
            YotoError: If the name is unknown, or nothing says which way a metric is better.
        """
        self.series(name)
        way = "lower" if name in self.terms or name == "loss" else self.better.get(name)
        if way is None:
            raise YotoError(
                f"`better` should say which way {name!r} is better, such as {{{name!r}: 'higher'}}. Found nothing. "
                "Give it to the curve, or as Metric(…, better=…) to sweep."
            )
        return 1.0 if way == "lower" else -1.0

    def turned(self, name: str) -> list[float]:
        """A series, turned so that lower is better."""
        sign = self.direction(name)
        return [sign * value for value in self.series(name)]

    def pareto(self, *names: str) -> Self:
        """The curve at the points that no other is as good as in everything and better in something.

        Args:
            names: Terms and metrics that count, by their directions; all terms by default.

        Raises:
            YotoError: If a name is unknown, or the direction of a metric.
        """
        return self.take(non_dominated([self.turned(name) for name in names or self.terms]))

    def knee(
        self, x: str | None = None, y: str | None = None, scales: tuple[Scale, Scale] = ("linear", "linear")
    ) -> SelectedPoint:
        """The measured point after which more of one costs most of the other: furthest from the chord.

        The chord joins the ends of the Pareto front in x and y, each on its scale and brought to [0, 1]; the knee
        depends on both, so say them with the result (Das, 1999).

        Args:
            x, y: Terms or metrics; by default the second term and the first.
            scales: "linear" or "log", of x and of y.

        Raises:
            YotoError: If a name is unknown, fewer than three points are on the front, or it has no knee: it is straight
                or bulges outwards.
        """
        names = list(self.terms)
        if len(names) < 2 and (x is None or y is None):
            raise YotoError(f"`x` and `y` should be given where there are not two terms. Found the terms {names}.")
        x, y = x or names[1], y or names[0]
        given: Any = scales
        if isinstance(given, str) or len(given) != 2:
            raise YotoError(f"`scales` should be two, of x and of y, such as ('log', 'linear'). Found {scales!r}.")
        columns = []
        for name, scale in zip((x, y), scales, strict=True):
            placed = scaled(self.series(name), scale, name)
            columns.append([value if self.direction(name) > 0 else 1 - value for value in placed])
        index = knee(*columns)
        return selected(Request(objective=y), self.measured()[index], self.points[index])

    def epsilon_constraint(
        self, on: str, limits: Sequence[float], *, minimise: str | None = None, maximise: str | None = None
    ) -> list[SelectedPoint]:
        """The best measured point for each of several limits on one quantity (the ε-constraint method).

        It also reaches what a weighted sum of the two does not, where points off the convex hull were measured.

        Args:
            on: The bounded quantity: at most the limit where lower is better, else at least.
            limits: One or more.
            minimise, maximise: As of `best`.

        Raises:
            YotoError: If a name is unknown, or the direction of `on`.
        """
        sense: Sense = "<=" if self.direction(on) > 0 else ">="
        wanted = request(minimise, maximise, ())
        given: Any = limits
        if isinstance(given, str) or not isinstance(given, Iterable) or not all(map(is_number, given)):
            raise YotoError(f"`limits` should be finite numbers, such as [1.0, 2.0]. Found {limits!r}.")
        return [
            self.chosen(
                Request(objective=wanted.objective, maximise=wanted.maximise, bounds=(Bound(on, sense, limit),))
            )
            for limit in limits
        ]

    def free_weights(self) -> list[str]:
        """The columns of λ that weigh a term and vary along the curve."""
        return [name for name in self.weights[0] if name in self.terms and len({w[name] for w in self.weights}) > 1]

    def steering(self) -> Steerability:
        """Whether λ steers the network, as far as the curve tells; see `steerability`."""
        return steering(
            self.free_weights(),
            self.weights,
            self.terms,
            self.errors,
            int(self.info.get("n", 1)),
            weighted_sum=is_weighted_sum(crossed(self.weights, self.terms), self.loss),
        )

    def better_elsewhere(self) -> list[Better]:
        """The points at whose λ the network of another has a lower loss: training left something there, for nothing.

        Empty where the loss is no weighted sum of the terms.
        """
        losses = crossed(self.weights, self.terms)
        return better_elsewhere(losses) if is_weighted_sum(losses, self.loss) else []

    def slopes_beyond(self) -> list[Slope]:
        """The neighbours between which the curve's slope is no optimum's beyond its error, by the envelope theorem.

        Empty unless one weight alone varies and the loss is the weighted sum.
        """
        names = self.free_weights()
        if len(names) != 1 or not is_weighted_sum(crossed(self.weights, self.terms), self.loss):
            return []
        return slopes_beyond(names[0], self.weights, self.terms, self.errors)

    def remarks(self) -> list[str]:
        """What the curve says against itself, a line each: λ that does not steer, losses that are not the lowest."""
        steered = self.steering()
        if len(self.points) >= FEWEST and steered.decorative:
            return [f"decorative conditioning: {remark}" for remark in steered.remarks()]
        better = [each for each in self.better_elsewhere() if each.share >= WORTH_SAYING]
        told = {frozenset((each.point, each.other)) for each in better}
        slopes = [each for each in self.slopes_beyond() if frozenset((each.point, each.other)) not in told]
        return [
            *(
                f"at {self.label(each.point)} the network of {self.label(each.other)} has the lower loss: "
                f"{each.loss:.5g} in place of {each.own:.5g} ({100 * each.share:.2g} %)"
                for each in better
            ),
            *(
                f"between {self.label(each.point)} and {self.label(each.other)} the slope is {each.slope:.3g} ± "
                f"{each.error:.2g}, not between the weights {each.low:.3g} and {each.high:.3g}"
                for each in slopes
            ),
        ]

    @abstractmethod
    def label(self, index: int) -> str:
        """A point for people."""
