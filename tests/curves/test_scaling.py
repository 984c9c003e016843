"""Scales of terms, and terms divided by them."""

import pytest
import torch
from torch import nn

from yoto import LossSpace, LossStep, Objective, Simplex, YotoError, condition, sweep
from yoto.curves.scaling import scaled, term_scales

SPACE = LossSpace(mix=Simplex("near", "far"))
X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))


def terms(net, batch):
    y = net(batch)
    return {"near": 1e-3 * y.square().mean(1), "far": -1e4 * y.abs().mean(1)}


def test_scales_are_mean_absolute_values_over_all_samples():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train()
    state = torch.get_rng_state()
    found = term_scales(net, [X[:30], X[30:]], terms)
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        y = net.eval()(X)
    assert found["near"] == pytest.approx(float(1e-3 * y.square().mean()), rel=1e-5)
    assert found["far"] == pytest.approx(float(1e4 * y.abs().mean()), rel=1e-5)


def test_scaled_terms_go_where_terms_go_and_are_about_one():
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    even = scaled(terms, term_scales(net, [X], terms))
    assert {name: round(abs(float(t.detach().mean())), 4) for name, t in even(net, X, X).items()} == {
        "near": 1.0,
        "far": 1.0,
    }
    model = condition(net, SPACE)
    assert LossStep(model, even, Objective(SPACE))(X, SPACE.sample(50))[0].isfinite()
    assert abs(sweep(model, [X], even, SPACE.grid(1)).terms["near"][0]) < 10
    assert set(scaled(terms, {"far": 2.0})(net, X, X)) == {"near", "far"}


def test_a_term_that_is_nothing_has_no_scale():
    with pytest.raises(YotoError, match="'zero' should be other than 0 somewhere"):
        term_scales(nn.Linear(3, 2), [X], lambda net, batch: {"zero": 0 * net(batch).sum(1)})
    with pytest.raises(YotoError, match="scale of 'far' should be above 0"):
        scaled(terms, {"far": 0.0})
