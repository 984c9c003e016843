"""Bounds on measured quantities as people write them: "reconstruction <= 250", "psnr>=32", "1 < kl < 1e2"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

from yoto.errors import YotoError, near_misses
from yoto.support.numbers import is_number

Sense: TypeAlias = Literal["<=", ">="]

SENSES: dict[str, Sense] = {"<=": "<=", "<": "<=", "=<": "<=", "≤": "<=", ">=": ">=", ">": ">=", "=>": ">=", "≥": ">="}
"""What may stand in a bound. A mean of real numbers makes no difference between "below" and "at most"."""
MIRRORED: dict[Sense, Sense] = {"<=": ">=", ">=": "<="}
ROUNDING = 2.0**-23
"""Of a float32, which quantities mostly are: a share of the limit by which it counts as reached."""
SIGNS = re.compile(r"(<=|>=|=<|=>|==|!=|≤|≥|<|>|=)")


@final
@dataclass(frozen=True)
class Bound:
    """One side of one quantity.

    Attributes:
        name: Of a term, a metric or "loss".
        sense: "<=" where the quantity should be at most `limit`, ">=" where at least; "<" and ">" stand for these.
        limit: In the quantity's unit.

    Raises:
        YotoError: If one is something else.

    >>> bound = Bound("psnr", ">=", 32.0)
    >>> str(bound), bound.excess(31.5), bound.excess(32.5)
    ('psnr >= 32', 0.5, -0.5)
    """

    name: str
    sense: Sense
    limit: float

    def __post_init__(self) -> None:
        given: tuple[Any, ...] = (self.name, self.sense, self.limit)
        if not isinstance(given[0], str) or given[1] not in SENSES or not is_number(given[2]):
            raise YotoError(f"A bound should be a name, '<=' or '>=', and a finite number. Found {given}.")
        object.__setattr__(self, "sense", SENSES[self.sense])

    def __str__(self) -> str:
        return f"{self.name} {self.sense} {repr(float(self.limit)).removesuffix('.0')}"

    @property
    def sign(self) -> float:
        """1 where lower values are further inside, −1 where higher ones are."""
        return 1.0 if self.sense == "<=" else -1.0

    def excess(self, value: float) -> float:
        """How far a value lies beyond the limit; at most 0 where the bound holds, but for rounding."""
        excess = self.sign * (value - self.limit)
        return 0.0 if 0 < excess <= ROUNDING * abs(self.limit) else excess


def parse(text: str) -> list[Bound]:
    """The bounds that a text writes down: one, or two where a name stands between numbers.

    Raises:
        YotoError: If it is none: an equation, no number, several names, NaN.

    >>> [str(bound) for bound in parse(" 10 <kl<= 2.5e1")]
    ['kl >= 10', 'kl <= 25']
    """
    parts = [part.strip() for part in SIGNS.split(text)]
    words, signs = parts[::2], parts[1::2]
    if not signs or not all(words) or len(signs) > 2 or any(sign not in SENSES for sign in signs):
        raise refusal(text)
    values = [number(word) for word in words]
    if sum(value is None for value in values) != 1:
        raise refusal(text)
    place = values.index(None)
    if (place == 0 and len(signs) > 1) or place == 2:
        raise refusal(text)
    found = []
    for index, sign in enumerate(signs):
        left, right = values[index], values[index + 1]
        sense = SENSES[sign]
        limit = right if left is None else left
        assert limit is not None
        if not math.isfinite(limit):
            raise YotoError(f"The limit of a bound should be a finite number. Found {text.strip()!r}.")
        found.append(Bound(words[place], sense if left is None else MIRRORED[sense], limit))
    if len({bound.sense for bound in found}) != len(found):
        raise refusal(text)
    return found


def refusal(text: str) -> YotoError:
    """The error for a text that is no bound."""
    return YotoError(f"A bound should be NAME <= NUMBER or NAME >= NUMBER, such as 'kl <= 20'. Found {text.strip()!r}.")


def number(word: str) -> float | None:
    """A number where the word is one, else None."""
    try:
        return float(word)
    except ValueError:
        return None


def bounds_of(texts: str | Bound | Sequence[str | Bound]) -> tuple[Bound, ...]:
    """The bounds of several texts, or of one, in the order given; doubled ones once.

    Raises:
        YotoError: If a text is no bound, or no value can meet all.
    """
    given = [texts] if isinstance(texts, (str, Bound)) else texts
    if not isinstance(given, Sequence):
        raise YotoError(f"Bounds should be a list of texts, such as ['kl <= 20']. Found {given!r}.")
    found = [bound for each in given for bound in ([each] if isinstance(each, Bound) else parse(text_of(each)))]
    for low in found:
        for high in found:
            if low.name == high.name and (low.sense, high.sense) == (">=", "<=") and low.limit > high.limit:
                raise YotoError(f"Bounds should leave room for a value. Found '{low}' and '{high}'.")
    return tuple(dict.fromkeys(found))


def text_of(value: object) -> str:
    """A bound's text; anything else is refused."""
    if not isinstance(value, str):
        raise YotoError(f"A bound should be text, such as 'kl <= 20'. Found {value!r}.")
    return value


def check_known(names: Sequence[str], known: Sequence[str], what: str) -> None:
    """Refuse names that nothing measured has.

    Args:
        names: What was asked for.
        known: What is measured.
        what: Where the names stand, for the message, such as "subject_to".

    Raises:
        YotoError: Naming the first that is unknown, and the nearest that is known.
    """
    for name in names:
        if name not in known:
            raise YotoError(
                f"`{what}` should name one of {', '.join(known)}. Found {name!r}.{near_misses(name, list(known))}"
            )
