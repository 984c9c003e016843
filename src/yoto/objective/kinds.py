"""The one table of scalarisations, and how one is read from a recipe or a file. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yoto.errors import YotoError, near_misses
from yoto.objective.chebyshev import Chebyshev, SmoothChebyshev
from yoto.objective.cosine import CosinePenalised
from yoto.objective.scalarisation import Scalarisation, WeightedSum

KINDS: dict[str, type[Scalarisation]] = {
    cls.kind: cls for cls in (WeightedSum, Chebyshev, SmoothChebyshev, CosinePenalised)
}


def scalarisation_from(kind: str, settings: Mapping[str, Any] | None = None) -> Scalarisation:
    """A scalarisation by its name and settings.

    Raises:
        YotoError: For an unknown name, or settings that it does not have.

    >>> scalarisation_from("smooth-chebyshev", {"smoothing": 0.2})
    SmoothChebyshev(smoothing=0.2, ideal=0.0)
    """
    if kind not in KINDS:
        raise YotoError(
            f"`scalarisation` should be one of {', '.join(KINDS)}, or a function. Found {kind!r}."
            f"{near_misses(str(kind), tuple(KINDS))}"
        )
    try:
        return KINDS[kind](**(settings or {}))
    except TypeError as error:
        raise YotoError(f"The scalarisation {kind} should have settings of its own. Found: {error}.") from None
