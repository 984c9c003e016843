from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from curves.curves import BETAS, INFO, curve
from yoto.curves.regret import Regret, geometric_mean
from yoto.errors import YotoError


def made(loss, reference, floor=None):
    points = tuple({"kl": float(index)} for index in range(len(loss)))
    return Regret(points=points, loss=loss, reference=reference, floor=floor)


def test_the_three_measures():
    regret = curve((234.0, 300.0, 385.0)).regret(curve((230.0, 290.0, 385.0)), floor=190.0)
    assert regret.difference == pytest.approx((4.0, 10.0, 0.0))
    assert regret.ratio == pytest.approx((234 / 230, 300 / 290, 1.0))
    assert regret.excess_ratio == pytest.approx((44 / 40, 110 / 100, 1.0))
    assert regret.mean_difference == pytest.approx(14 / 3)
    assert regret.geometric_mean == pytest.approx((234 / 230 * 300 / 290) ** (1 / 3))
    assert regret.excess_geometric_mean == pytest.approx(1.1 ** (2 / 3))
    assert regret.measure == "excess"


def test_the_worst_point_goes_by_the_strictest_measure():
    plain = made((110.0, 210.0), (100.0, 195.0))
    assert (plain.measure, plain.worst) == ("ratio", 0)
    assert made((110.0, 210.0), (100.0, 195.0), floor=(0.0, 194.0)).worst == 1


def test_a_loss_that_crosses_zero_has_differences_only():
    regret = made((-1.0, 2.0), (-2.0, 1.0))
    assert regret.difference == (1.0, 1.0)
    assert regret.ratio == (None, 2.0)
    assert regret.geometric_mean is None
    assert regret.excess_geometric_mean is None
    assert regret.measure == "difference"
    assert regret.to_dict()["ratio"] == [None, 2.0]


def test_a_reference_at_the_floor_has_no_excess_ratio():
    assert made((2.0,), (1.0,), floor=(1.0,)).measure == "ratio"


def test_only_the_points_of_the_reference_count():
    reference = curve().take([2, 0])
    assert curve((234.0, 300.0, 386.0)).regret(reference).difference == pytest.approx((1.0, 4.0))


def test_a_missing_point_is_an_error():
    with pytest.raises(YotoError, match="Sweep it too"):
        curve().take([0]).regret(curve())


@pytest.mark.parametrize("key", ["data", "split", "n", "task"])
def test_other_data_are_an_error(key):
    other = curve(info={**INFO, "task": "vae", key: "other"})
    with pytest.raises(YotoError, match="same data"):
        curve(info={**INFO, "task": "toy"}).regret(other)


def test_floors_by_point():
    assert curve().regret(curve(), floor=[1.0] * len(BETAS)).floor == (1.0, 1.0, 1.0)
    with pytest.raises(YotoError, match="`floor`"):
        curve().regret(curve(), floor=[1.0])


def test_geometric_mean():
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert geometric_mean([]) is None
    assert geometric_mean([1.0, None]) is None


def test_lengths_are_checked():
    with pytest.raises(YotoError, match="one length"):
        made((1.0,), (1.0, 2.0))


def test_floors_are_numbers_of_any_kind():
    loss = replace(curve(), info={})
    for floor in (1.0, np.float32(1), torch.tensor(1.0), [1.0] * 3, np.ones(3), torch.ones(3)):
        assert loss.regret(loss, floor).excess_ratio == (1.0, 1.0, 1.0)
    for wrong in ("a", float("nan"), [1.0, 1.0, None], [1.0]):
        with pytest.raises(YotoError, match="`floor`"):
            loss.regret(loss, wrong)
