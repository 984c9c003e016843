"""Search by halving. Importing this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable


def last_below(value: Callable[[int], int], most: int, low: int, high: int) -> int:
    """The highest number of a range at which a rising value is at most `most`; `low` where none is."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if value(middle) <= most else (low, middle - 1)
    return low
