"""Every λ that was measured, kept, and the limits on measuring more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias, final

from yoto.curves.selection.request import Measured
from yoto.support.numbers import check_real, check_whole

Lam: TypeAlias = tuple[float, ...]
Evaluate: TypeAlias = Callable[[Sequence[Lam]], Sequence[Measured]]
"""Measures several λ in one pass."""


class Exhausted(Exception):  # noqa: N818 - a limit that was asked for
    """A limit is reached; the argument says which."""


@final
class Budget:
    """Limits on evaluations and time, and what was used of them.

    Args:
        evaluations: How many λ may be measured, on all or a part of the data.
        seconds: How long all may take. A measurement that would probably take too long is not begun, but for the first.
        clock: Time in seconds.

    Raises:
        YotoError: If a limit is not above 0.
    """

    def __init__(
        self, evaluations: int | None = None, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if evaluations is not None:
            check_whole("evaluations", evaluations)
        if seconds is not None:
            check_real("seconds", seconds, above=0)
        self.evaluations, self.seconds, self.clock = evaluations, seconds, clock
        self.start = clock()
        self.used = 0
        self.passes = 0.0
        self.reserve = 0
        """Evaluations on all data that are kept for the end."""
        self.pace = 0.0
        """Seconds for one λ on all data, as last seen."""

    @property
    def left(self) -> int | None:
        """How many more λ may be measured before the reserve, or None without a limit."""
        return None if self.evaluations is None else max(0, self.evaluations - self.used - self.reserve)

    def allow(self, wanted: int, share: float) -> int:
        """How many of `wanted` λ may be measured, each on a share of the data.

        Raises:
            Exhausted: If none may.
        """
        allowed = wanted if self.left is None else min(wanted, self.left)
        if allowed < 1:
            raise Exhausted("evaluations")
        if self.seconds is not None and not self.used:
            return 1  # from which the pace is seen
        if self.seconds is not None:
            free = self.seconds - (self.clock() - self.start) - self.reserve * self.pace
            affordable = int(free / (self.pace * share)) if self.pace * share > 0 else allowed
            if free <= 0 or affordable < 1:
                raise Exhausted("seconds")
            allowed = min(allowed, affordable)
        return allowed

    def spend(self, count: int, share: float, seconds: float) -> None:
        """Note that `count` λ were measured in one run through a share of the data."""
        self.used += count
        self.passes += share
        self.pace = seconds / (count * share)


@final
class Evaluations:
    """What `evaluate` measured, each λ once.

    Args:
        evaluate: Measures several λ in one pass.
        budget: Shared with other measurements of the same selection.
        share: Of all data that `evaluate` runs through.
    """

    def __init__(self, evaluate: Evaluate, budget: Budget, share: float = 1.0) -> None:
        self.evaluate, self.budget, self.share = evaluate, budget, share
        self.known: dict[Lam, Measured] = {}

    def __call__(self, points: Sequence[Lam]) -> list[Measured]:
        """What was measured at the points.

        Raises:
            Exhausted: If a limit leaves some unmeasured; those that it allowed are in `known` by then.
        """
        new = [lam for lam in dict.fromkeys(points) if lam not in self.known]
        if new:
            allowed = self.budget.allow(len(new), self.share)
            started = self.budget.clock()
            for lam, found in zip(new[:allowed], self.evaluate(new[:allowed]), strict=True):
                self.known[lam] = found
            self.budget.spend(allowed, self.share, self.budget.clock() - started)
            if allowed < len(new):
                return self(points)  # or a limit is said
        return [self.known[lam] for lam in points]

    def insist(self, lam: Lam) -> None:
        """Measure one λ whatever the limits say: an answer has to be measured."""
        started = self.budget.clock()
        (self.known[lam],) = self.evaluate([lam])
        self.budget.spend(1, self.share, self.budget.clock() - started)
