"""Points over a loss space to measure at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import comb, prod
from typing import Literal

from yoto.errors import YotoError
from yoto.space.distribution import Distribution
from yoto.space.simplex import Simplex

Grid = Literal["axes", "lattice", "sobol"]
GRIDS = ("axes", "lattice", "sobol")
MOST = 1_000_000
"""Points of a lattice: more are a slip of the keyboard."""


def axis_points(parameters: Mapping[str, Distribution], slices: Mapping[str, slice], n: int) -> list[list[float]]:
    """`n` points along each free parameter, the others at their median; the median alone where none is free."""
    middle = [value for distribution in parameters.values() for value in distribution.median()]
    rows = []
    for name, distribution in parameters.items():
        for values in distribution.grid(n) if distribution.uniforms else ():
            row = list(middle)
            row[slices[name]] = values
            rows.append(row)
    return rows or [middle]


def lattice_points(parameters: Mapping[str, Distribution], n: int) -> list[list[float]]:
    """Every combination of each parameter's own points, of which a simplex has a triangular lattice.

    Raises:
        YotoError: If there would be more than a million.
    """
    sizes = [lattice_size(distribution, n) for distribution in parameters.values()]
    if prod(sizes) > MOST:
        raise YotoError(f"A lattice should have at most {MOST} points. Found {prod(sizes)} with n={n}. Give a lower n.")
    own = [
        list(simplex_lattice(each, n)) if isinstance(each, Simplex) else each.grid(n) for each in parameters.values()
    ]
    return [[value for part in parts for value in part] for parts in product(*own)]


def lattice_size(distribution: Distribution, n: int) -> int:
    """How many points of a parameter a lattice has."""
    if isinstance(distribution, Simplex):
        terms = len(distribution.terms)
        return comb(n - 1 + terms - 1, terms - 1)
    return len(distribution.grid(n))


def simplex_lattice(simplex: Simplex, n: int) -> Iterator[tuple[float, ...]]:
    """All weights that are multiples of one step, `n` along each edge: corners, edges and inside."""
    terms = len(simplex.terms)
    span = 1 - terms * simplex.minimum
    if n == 1:
        yield simplex.median()
        return
    for parts in compositions(n - 1, terms):
        yield tuple(simplex.minimum + span * part / (n - 1) for part in parts)


def compositions(total: int, count: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as a sum of `count` whole numbers ≥ 0, in order."""
    if count == 1:
        yield (total,)
        return
    for head in range(total, -1, -1):
        for tail in compositions(total - head, count - 1):
            yield (head, *tail)
