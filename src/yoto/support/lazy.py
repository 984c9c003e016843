"""Packages whose public names load on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that imports a name's home when the name is asked for.

    Args:
        package: The module's `__name__`.
        homes: By public name, the module that defines it.

    >>> find = lazily("circles", {"pi": "math"})
    >>> find("pi")
    3.141592653589793
    """

    def find(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
