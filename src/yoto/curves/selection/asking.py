"""Choosing λ by eye: which two to show next, and what answers say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, final

from yoto.curves.selection.coordinates import Coordinates, Names
from yoto.curves.selection.evaluations import Lam
from yoto.space import Choice

Answer: TypeAlias = Literal["first", "second", "same"]

ALONE = 7
"""Questions about the one parameter of a space."""
EACH = 4
"""Questions about each of several parameters."""
PLACES = 201
LAPSE = 0.08
"""How often an answer is taken to be a slip."""


@final
class Bisection:
    """Where along [0, 1] somebody's favourite lies, by comparisons of two places, with doubt.

    Of two places the one nearer to the favourite is preferred, more surely the more they differ in nearness; any answer
    may be a slip. What is believed is a distribution over the favourite, at first even; the next two places lie on both
    sides of its median, as far apart as it is wide (a Bayesian form of bisection: Burnashev & Zigangirov, 1974).

    >>> search = Bisection()
    >>> for _ in range(12):
    ...     first, second = search.pair()
    ...     search.answer("first" if abs(first - 0.3) < abs(second - 0.3) else "second")
    >>> abs(search.favourite() - 0.3) < 0.05
    True
    """

    def __init__(self) -> None:
        self.places = [index / (PLACES - 1) for index in range(PLACES)]
        self.belief = [1 / PLACES] * PLACES

    def favourite(self) -> float:
        """The median of what is believed."""
        total = 0.0
        for place, share in zip(self.places, self.belief, strict=True):
            total += share
            if total >= 0.5:
                return place
        return self.places[-1]

    def width(self) -> float:
        """Standard deviation of what is believed."""
        mean = sum(place * share for place, share in zip(self.places, self.belief, strict=True))
        return math.sqrt(sum((p - mean) ** 2 * s for p, s in zip(self.places, self.belief, strict=True)))

    def pair(self) -> tuple[float, float]:
        """The two places to compare next, in rising order."""
        middle, half = self.favourite(), max(0.04, self.width())
        return max(0.0, middle - half), min(1.0, middle + half)

    def answer(self, answer: Answer) -> None:
        """Take an answer about `pair()`."""
        first, second = self.pair()
        middle, half = (first + second) / 2, (second - first) / 2

        def likelihood(place: float) -> float:
            lean = math.tanh((middle - place) / (0.5 * half))  # 1 where the first is surely nearer
            if answer == "same":
                return LAPSE + (1 - LAPSE) * (1 - lean * lean)
            return LAPSE / 2 + (1 - LAPSE) * (0.5 + 0.5 * (lean if answer == "first" else -lean))

        belief = [share * likelihood(place) for place, share in zip(self.places, self.belief, strict=True)]
        total = sum(belief)
        self.belief = [share / total for share in belief]


@final
class Interview:
    """Questions about a whole space: names of a `Choice` by knock-out, then one coordinate after the other.

    `for first, second in interview:` gives two λ; `interview.answer(…)` is called before the next.

    Attributes:
        total: How many questions there will be.
    """

    def __init__(self, coordinates: Coordinates) -> None:
        self.coordinates = coordinates
        choices = {n: d for n in coordinates.searched if isinstance(d := coordinates.space.parameters[n], Choice)}
        self.options: dict[str, Sequence[str]] = {name: each.options for name, each in choices.items()}
        self.chosen: dict[str, str] = {name: options[0] for name, options in self.options.items()}
        self.x = [0.5] * coordinates.size
        self.asked = ALONE if coordinates.size == 1 and not choices else EACH
        self.total = sum(len(options) - 1 for options in self.options.values()) + self.asked * coordinates.size
        self.given: Answer | None = None

    @property
    def names(self) -> Names:
        """The options chosen so far."""
        return tuple(self.chosen.items())

    @property
    def lam(self) -> Lam:
        """The favourite so far."""
        return self.coordinates.lam(self.x, self.names)

    def answer(self, answer: Answer) -> None:
        """Which of the two that were shown is the better one."""
        self.given = answer

    def take(self) -> Answer:
        """The answer to the last question."""
        given, self.given = self.given, None
        assert given is not None, "answer() comes before the next question"
        return given

    def __iter__(self) -> Iterator[tuple[Lam, Lam]]:
        for name, options in self.options.items():
            for other in options[1:]:
                challenger = {**self.chosen, name: other}
                yield self.lam, self.coordinates.lam(self.x, tuple(challenger.items()))
                if self.take() == "second":
                    self.chosen = challenger
        for index in range(len(self.x)):
            search = Bisection()
            for _ in range(self.asked):
                first, second = ([*self.x[:index], place, *self.x[index + 1 :]] for place in search.pair())
                yield self.coordinates.lam(first, self.names), self.coordinates.lam(second, self.names)
                search.answer(self.take())
                self.x[index] = search.favourite()
