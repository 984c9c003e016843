"""What is asked of a point, and which of several measured points meets it best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from yoto.curves.selection.bounds import Bound, bounds_of, check_known
from yoto.errors import YotoError
from yoto.support.extras import needed
from yoto.support.numbers import is_number


@final
@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured at one λ.

    Attributes:
        lam: Every column of λ.
        values: Mean of each term and metric, and of the loss.
        errors: Standard errors of those means; none for a value that came reduced over a batch.
        samples: How many samples the means are of.
    """

    lam: tuple[float, ...]
    values: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)
    samples: int = 0


@final
@dataclass(frozen=True, kw_only=True)
class Request:
    """One quantity to be made small or large, under bounds on others.

    Attributes:
        objective: Name of a term, a metric or "loss".
        maximise: Whether it should be large.
        bounds: What has to hold.
        confidence: With which probability all bounds should hold, given that the samples are a draw of many; None:
            for the means as measured. Several bounds share the doubt equally (Bonferroni).
    """

    objective: str
    maximise: bool = False
    bounds: tuple[Bound, ...] = ()
    confidence: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that has to be measured."""
        return tuple(dict.fromkeys([self.objective, *(bound.name for bound in self.bounds)]))

    def check(self, known: Sequence[str]) -> None:
        """Refuse a request for what is not measured.

        Raises:
            YotoError: Naming it.
        """
        check_known([self.objective], known, "maximise" if self.maximise else "minimise")
        check_known([bound.name for bound in self.bounds], known, "subject_to")

    def cost(self, measured: Measured) -> float:
        """The objective, turned so that lower is better."""
        return -measured.values[self.objective] if self.maximise else measured.values[self.objective]

    def quantile(self, samples: int) -> float:
        """How many standard errors inside its limit a mean of `samples` should lie: Student's one-sided quantile."""
        if self.confidence is None or not self.bounds:
            return 0.0
        if samples < 2:
            raise YotoError(f"`confidence` needs at least 2 samples to estimate errors from. Found {samples}.")
        with needed("`confidence`"):
            from scipy.special import stdtrit
        return float(stdtrit(samples - 1, 1 - (1 - self.confidence) / len(self.bounds)))

    def excesses(self, measured: Measured) -> tuple[float, ...]:
        """How far each bound is missed, in its unit, at most 0 where it holds; with `confidence`, of its last error."""
        quantile = self.quantile(measured.samples)
        return tuple(
            bound.excess(measured.values[bound.name]) + quantile * self.error(bound.name, measured)
            for bound in self.bounds
        )

    def error(self, name: str, measured: Measured) -> float:
        """The standard error that a bound has to allow for."""
        if self.confidence is None:
            return 0.0
        if name not in measured.errors:
            raise YotoError(
                f"`confidence` needs the standard error of {name!r}, which takes one number per sample. "
                "Found means alone. Return it unreduced, shape [B]."
            )
        return measured.errors[name]

    def feasible(self, measured: Measured) -> bool:
        """Whether every bound holds."""
        return all(excess <= 0 for excess in self.excesses(measured))

    def scales(self, measured: Sequence[Measured]) -> tuple[float, ...]:
        """A size for each bound's excess: the span of its quantity over what was measured, else of its limit."""
        result = []
        for bound in self.bounds:
            values = [each.values[bound.name] for each in measured]
            span = max(values) - min(values) if values else 0.0
            result.append(span or abs(bound.limit) or 1.0)
        return tuple(result)

    def miss(self, measured: Measured, scales: Sequence[float]) -> float:
        """The largest excess over its scale; at most 0 where every bound holds."""
        return max((e / s for e, s in zip(self.excesses(measured), scales, strict=True)), default=-math.inf)

    def best(self, measured: Sequence[Measured]) -> int:
        """Index of the feasible point with the best objective; of the nearest one where none is feasible.

        Nearest: with the smallest miss, over the spans of the bounded quantities.
        """
        scales = self.scales(measured)

        def rank(index: int) -> tuple[float, float]:
            miss = self.miss(measured[index], scales)
            return (max(miss, 0.0), self.cost(measured[index]))

        return min(range(len(measured)), key=rank)


def request(
    minimise: str | None,
    maximise: str | None,
    subject_to: str | Sequence[str | Bound],
    confidence: float | None = None,
) -> Request:
    """A request from the arguments of `select`.

    Raises:
        YotoError: If not exactly one of `minimise` and `maximise` is given, a bound is none, bounds contradict each
            other, or `confidence` lies outside (0.5, 1).
    """
    if (minimise is None) == (maximise is None):
        found = "neither" if minimise is None else f"{minimise!r} and {maximise!r}"
        raise YotoError(f"One of `minimise` and `maximise` should be given. Found {found}.")
    for name, value in (("minimise", minimise), ("maximise", maximise)):
        if value is not None and not isinstance(value, str):
            raise YotoError(f"`{name}` should be the name of a term, a metric or 'loss'. Found {value!r}.")
    given: Any = confidence
    if given is not None and not (is_number(given) and 0.5 < given < 1):
        raise YotoError(f"`confidence` should lie between 0.5 and 1, such as 0.95. Found {confidence!r}.")
    return Request(
        objective=minimise if maximise is None else maximise,  # type: ignore[arg-type]  # one of them is given
        maximise=maximise is not None,
        bounds=bounds_of(subject_to),
        confidence=None if confidence is None else float(confidence),
    )
