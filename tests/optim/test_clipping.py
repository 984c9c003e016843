import math

import pytest
import torch
from torch import nn

from yoto.errors import YotoError
from yoto.optim import Clipper


def gradients(norm):
    """Parameters whose gradients have the given norm together, and one without."""
    values = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(3))]
    for value in values[:2]:
        value.grad = torch.full(value.shape, norm / 3)
    return values


def norm_of(values):
    return float(torch.cat([value.grad.flatten() for value in values[:2]]).norm())


def test_relative_clipping_lets_through_a_multiple_of_the_running_norm():
    clip = Clipper(factor=1.5, decay=0.5)
    for _ in range(4):
        values = gradients(2.0)
        assert float(clip(values)) == pytest.approx(2.0)
        assert norm_of(values) == pytest.approx(2.0)
    values = gradients(100.0)
    assert float(clip(values)) == pytest.approx(100.0)
    assert norm_of(values) == pytest.approx(3.0, rel=1e-5)


def test_an_outlier_moves_the_running_norm_by_no_more_than_the_factor_allows():
    clip = Clipper(factor=1.5, decay=0.9)
    for _ in range(50):
        clip(gradients(1.0))
    clip(gradients(1e6))
    assert float(clip.running) == pytest.approx(1.05, rel=1e-4)


def test_the_scale_of_the_loss_does_not_matter():
    norms = torch.rand(30, generator=torch.Generator().manual_seed(0)) * 10 + 0.1
    kept = []
    for scale in (1.0, 1000.0):
        clip = Clipper()
        values = [gradients(scale * float(norm)) for norm in norms]
        for value in values:
            clip(value)
        kept.append(torch.tensor([norm_of(value) for value in values]) / scale)
    torch.testing.assert_close(kept[0], kept[1])
    assert (kept[0] < norms - 1e-3).any()


@pytest.mark.parametrize(("limit", "expected"), [(1.0, 1.0), (10.0, 4.0), (None, 4.0)])
def test_constant_limit_and_none(limit, expected):
    values = gradients(4.0)
    assert float(Clipper(limit)(values)) == pytest.approx(4.0)
    assert norm_of(values) == pytest.approx(expected)


def test_zero_gradients_stay_zero():
    values = gradients(0.0)
    Clipper()(values)
    assert norm_of(values) == 0.0


def test_state_goes_on_exactly():
    first, second = Clipper(), Clipper()
    for norm in (1.0, 5.0, 2.0):
        first(gradients(norm))
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    for norm in (9.0, 3.0, 50.0):
        a, b = gradients(norm), gradients(norm)
        first(a)
        second(b)
        assert all(torch.equal(x.grad, y.grad) for x, y in zip(a[:2], b[:2], strict=True))
    assert Clipper().state_dict() == {}


def test_a_norm_that_is_not_finite_leaves_no_trace():
    clip = Clipper()
    for norm in (math.inf, 1.0, math.nan, 1.0):
        clip(gradients(norm))
    assert float(clip.running) == 1.0


def test_nothing_to_clip():
    clip = Clipper()
    assert float(clip([nn.Parameter(torch.zeros(3))])) == 0.0
    assert clip.state_dict() == {}


@pytest.mark.parametrize("wrong", [{"limit": 0.0}, {"limit": "norm"}, {"factor": 1.0}, {"decay": 1.0}])
def test_settings_out_of_range(wrong):
    with pytest.raises(YotoError, match=next(iter(wrong))):
        Clipper(**wrong)
