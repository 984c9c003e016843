"""Numbers that a user gives: one clear line for what is none. Needs no torch."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

from yoto.errors import YotoError

SMALLEST, LARGEST = 2.0**-126, 2.0**128 - 2.0**104
"""Of float32: numbers below the one lose digits, above the other they are infinite."""
SHORT = 60
"""Characters of a value that a message shows."""


def number(name: str, value: Any) -> float:
    """`value` as a finite float; a tensor or an array of one element is a number too.

    Raises:
        YotoError: If it is none.
    """
    try:
        result = math.nan if isinstance(value, (bool, str, bytes, Mapping)) else float(value)
    except (TypeError, ValueError, RuntimeError):
        result = math.nan
    if math.isnan(result) and not isinstance(value, float):
        raise YotoError(f"`{name}` should be a number. Found {shown(value)}.")
    if not math.isfinite(result):
        raise YotoError(f"`{name}` should be a finite number. Found {result}.")
    return result


def single(name: str, value: Any) -> float:
    """As `number`, in the range of float32, in which λ is kept: 0, or from 1.2e-38 to 3.4e38 in size.

    Raises:
        YotoError: If it is none, or outside.
    """
    found = number(name, value)
    if found and not SMALLEST <= abs(found) <= LARGEST:
        raise YotoError(f"`{name}` should be 0 or lie between {SMALLEST:.1e} and {LARGEST:.1e}. Found {found:g}.")
    return found


def check_real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Refuse what is no finite number, or outside of (`above`, `below`) or [`least`, `most`]; None: no such end.

    Raises:
        YotoError: Naming the range.
    """
    found = number(name, value)
    for limit, kept, words in (
        (above, above is None or found > above, "above"),
        (least, least is None or found >= least, "at least"),
        (most, most is None or found <= most, "at most"),
        (below, below is None or found < below, "below"),
    ):
        if not kept:
            raise YotoError(f"`{name}` should be {words} {limit:g}. Found {shown(value)}.")


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is no whole number of at least `least`.

    Raises:
        YotoError: Naming the least.
    """
    if not is_whole(value) or operator.index(value) < least:
        raise YotoError(f"`{name}` should be a whole number, at least {least}. Found {shown(value)}.")


def check_seed(value: Any) -> None:
    """Refuse a seed that is no whole number.

    Raises:
        YotoError: If it is none.
    """
    if not is_whole(value):
        raise YotoError(f"`seed` should be a whole number. Found {shown(value)}.")


def is_number(value: Any) -> bool:
    """Whether a value is one finite real number (of Python, numpy or a tensor): no truth value and no text."""
    if isinstance(value, (bool, str, bytes)):
        return False
    try:
        return math.isfinite(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # of a tensor of several, by torch's version
        return False


def is_whole(value: Any) -> bool:
    """Whether a value is one integer, and neither a truth value nor a float."""
    try:
        operator.index(value)
    except (TypeError, RuntimeError):
        return False
    return not isinstance(value, bool)


def shown(value: Any) -> str:
    """A short value as it stands, else its type."""
    text = repr(value)
    return text if len(text) <= SHORT and "\n" not in text else type(value).__name__
