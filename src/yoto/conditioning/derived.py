"""Classes that are derived from a user's own layers, without the user's code hearing of it."""

from __future__ import annotations

from typing import Any


def nothing(cls: Any, /, **_: Any) -> None:
    """In place of an `__init_subclass__`."""


def derived(name: str, bases: tuple[type, ...], doc: str | None = None) -> Any:
    """A class with these bases, as `type(name, bases, {})` makes it, but that no `__init_subclass__` of theirs runs.

    It may keep a register of classes, or ask for arguments that nobody here knows.
    """
    first = type("Unannounced", (), {"__init_subclass__": classmethod(nothing)})
    return type(name, (first, *bases), {"__doc__": doc})
