"""Lattices over a loss space: triangular on a simplex, every combination elsewhere."""

import itertools
import math

import pytest
import torch

from yoto.errors import YotoError
from yoto.space import Choice, LogUniform, LossSpace, Simplex


@pytest.mark.parametrize(("terms", "n"), [(2, 5), (3, 4), (4, 3), (3, 1)])
def test_a_simplex_has_all_weights_that_are_multiples_of_one_step(terms, n):
    simplex = Simplex(*"abcd"[:terms], minimum=0.01)
    lattice = LossSpace(mix=simplex).grid(n, kind="lattice").double()
    assert len(lattice) == math.comb(n + terms - 2, terms - 1)
    assert lattice.sum(1).sub(1).abs().max() < 1e-6
    if n == 1:
        assert lattice.tolist() == [pytest.approx([1 / terms] * terms)]
        return
    parts = ((lattice - 0.01) / (1 - terms * 0.01) * (n - 1)).round(decimals=4)
    expected = [row for row in itertools.product(range(n), repeat=terms) if sum(row) == n - 1]
    assert sorted(map(tuple, parts.tolist())) == sorted(tuple(map(float, row)) for row in expected)


def test_other_parameters_are_combined():
    space = LossSpace(a=1.0, kl=LogUniform(1, 100), mix=Simplex("x", "y"), style=Choice("p", "q"))
    lattice = space.grid(3, kind="lattice")
    assert lattice.shape == (3 * 3 * 2, 6)
    assert len(lattice.unique(dim=0)) == 18
    assert lattice[:, 1].unique().tolist() == pytest.approx([1.0, 10.0, 100.0])


def test_kinds():
    space = LossSpace(mix=Simplex("a", "b", "c"))
    assert torch.equal(space.grid(8, kind="sobol"), space.grid(8, joint=True))
    assert torch.equal(space.grid(4, kind="axes"), space.grid(4))
    with pytest.raises(YotoError, match="one of axes, lattice, sobol"):
        space.grid(4, kind="triangle")
    many = LossSpace(**{name: LogUniform(1, 2) for name in "abcdefg"})
    with pytest.raises(YotoError, match="at most 1000000 points. Found 10000000"):
        many.grid(10, kind="lattice")
