"""Which way a number is better."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from yoto.errors import YotoError, near_misses

Direction: TypeAlias = Literal["lower", "higher"]
DIRECTIONS = ("lower", "higher")


def check_direction(name: str, better: Any, field: str = "better") -> None:
    """Refuse a direction that is none.

    Raises:
        YotoError: Naming what it is of.
    """
    if better not in DIRECTIONS:
        hint = near_misses(str(better), DIRECTIONS)
        raise YotoError(f"`{field}` of {name} should be 'lower' or 'higher'. Found {better!r}.{hint}")
