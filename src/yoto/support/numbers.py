"""Whether an argument is a number, so that text of a configuration file is refused with a message. Needs no torch."""

from __future__ import annotations

import math
import operator
from typing import Any

from yoto.errors import YotoError


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


def check_seed(value: Any) -> None:
    """Refuse a seed that is no whole number."""
    if not is_whole(value):
        raise YotoError(f"`seed` should be a whole number. Found {value!r}.")
