from __future__ import annotations

import itertools
import random

import pytest

from yoto.curves.indicators import hypervolume
from yoto.errors import YotoError


def by_cells(points, reference):
    """Volume as the sum of all cells of the points' coordinates whose lower corner some point dominates."""
    axes = [sorted({min(p[k], r) for p in points} | {r}) for k, r in enumerate(reference)]
    volume = 0.0
    for cell in itertools.product(*[list(itertools.pairwise(axis)) for axis in axes]):
        if any(all(p[k] <= low for k, (low, _) in enumerate(cell)) for p in points):
            size = 1.0
            for low, high in cell:
                size *= high - low
            volume += size
    return volume


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_sum_of_dominated_cells(objectives, seed):
    rng = random.Random(seed)
    points = [[rng.uniform(0, 1.2) for _ in range(objectives)] for _ in range(8)]  # some beyond the reference
    reference = [1.0] * objectives
    assert hypervolume(points, reference) == pytest.approx(by_cells(points, reference))


def test_a_known_staircase():
    assert hypervolume([[1, 3], [2, 2], [3, 1], [3, 3]], [4, 4]) == pytest.approx(6.0)


def test_a_point_beyond_the_reference_adds_nothing():
    assert hypervolume([[5.0, 0.0]], [4.0, 4.0]) == 0.0


@pytest.mark.parametrize(
    ("points", "reference"),
    [([], [1.0]), ([[1.0, 2.0]], [3.0]), ([[float("nan"), 1.0]], [2.0, 2.0]), ([[1.0]], [float("inf")])],
    ids=["none", "lengths", "nan", "infinity"],
)
def test_bad_input_is_refused(points, reference):
    with pytest.raises(YotoError, match="should"):
        hypervolume(points, reference)
