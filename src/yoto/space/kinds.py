"""The one table of distributions, and how one is read from a recipe or a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yoto.errors import YotoError, near_misses
from yoto.space.choice import Choice
from yoto.space.distribution import Distribution
from yoto.space.interval import Fixed, LogUniform, Uniform
from yoto.space.simplex import Simplex
from yoto.support.numbers import number

KINDS: dict[str, type[Distribution]] = {cls.kind: cls for cls in (Fixed, Uniform, LogUniform, Simplex, Choice)}


def distribution_from(name: str, entry: Any) -> Distribution:
    """A distribution from a number (fixed), a `Distribution`, or its JSON form `{distribution: …, …}`."""
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, Mapping):
        arguments = dict(entry)
        kind = arguments.pop("distribution", None)
        if not isinstance(kind, str) or kind not in KINDS:
            raise YotoError(
                f"`distribution` of {name!r} should be one of {', '.join(KINDS)}. Found {kind!r}."
                f"{near_misses(str(kind), tuple(KINDS))}"
            )
        names = arguments.pop("terms", None) if kind == "simplex" else arguments.pop("options", None)
        try:
            return KINDS[kind](*([names] if names is not None else []), **arguments)
        except TypeError as error:
            raise YotoError(
                f"{name!r} should hold the arguments of a {kind} distribution. Found {dict(entry)}: {error}."
            ) from None
    if isinstance(entry, (tuple, list, str, type)):
        raise YotoError(f"`{name}` should be a number or a distribution{example(entry)}. Found {shown(entry)}.")
    return Fixed(number(name, entry))


def example(entry: Any) -> str:
    """How what was given may have been meant."""
    match entry:
        case (int() | float() as low, int() | float() as high):
            return f", such as LogUniform({low:g}, {high:g}) or Uniform({low:g}, {high:g})"
        case tuple() | list() if entry and all(isinstance(each, str) for each in entry):
            return f", such as Choice({list(entry)}) or Simplex({', '.join(map(repr, entry))})"
    return ", such as LogUniform(0.1, 10.0)"


def shown(entry: Any) -> str:
    """What was given."""
    return f"the class {entry.__name__}" if isinstance(entry, type) else repr(entry)
