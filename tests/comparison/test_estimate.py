"""Regret without references, where the true one is known."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from yoto import LogUniform, LossSpace, Objective, condition, estimate_regret
from yoto.comparison.paired import paired
from yoto.errors import YotoError

SPACE = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
X = torch.randn(400, 3, generator=torch.Generator().manual_seed(1))
POINTS = [{"size": 0.25}, {"size": 1.0}, {"size": 4.0}]


def target(x):
    return x @ torch.tensor([[1.0, -1.0], [0.5, 0.0], [0.0, 2.0]])


def terms(net, x):
    """Of every sample the best output is target / (1 + size), the least loss size / (1 + size) · target²."""
    y = net(x)
    return {"fit": (y - target(x)).square().sum(1), "size": y.square().sum(1)}


def regrets(model):
    """The true regret at each point, in closed form."""
    least = target(X).square().sum(1).mean()
    found = []
    for point in POINTS:
        at = SPACE.point(point)
        with torch.no_grad():
            found.append(float(SPACE.combine(terms(model.at(at), X), at).mean() - at[1] / (1 + at[1]) * least))
    return found


def test_it_comes_close_to_the_true_regret_and_never_exceeds_it():
    model = condition(nn.Linear(3, 2), SPACE)
    few, many = (estimate_regret(model, POINTS, X, terms, validation=X, steps=steps, lr=0.05) for steps in (20, 400))
    for true, low, high in zip(regrets(model), few.gain, many.gain, strict=True):
        assert low < high <= true + 1e-5
        assert high == pytest.approx(true, rel=0.01)
    assert [point["size"] for point in many.points] == [0.25, 1.0, 4.0]
    assert many.n == 400


def test_errors_are_of_the_paired_differences():
    torch.manual_seed(0)
    model = condition(nn.Linear(3, 2), SPACE)
    found = estimate_regret(model, POINTS[1:2], X, terms, validation=list(X.split(128)), steps=20, lr=0.05)
    plain = nn.Linear(3, 2)
    at = SPACE.point(size=1.0)
    one = paired(model, plain, at, list(X.split(128)), terms, Objective(SPACE))
    with torch.no_grad():
        difference = SPACE.combine(terms(model.at(at), X), at) - SPACE.combine(terms(plain, X), at)
    assert one.gain == pytest.approx(float(difference.mean()), rel=1e-5)
    assert one.error == pytest.approx(float(difference.std()) / 20, rel=1e-5)
    assert 0 < found.errors[0] < found.gain[0]


def test_both_sides_have_the_same_noise():
    """The paired difference of a noisy network with itself is 0, not the noise."""

    def noisy(net, x):
        return terms(lambda x: net(x) + torch.randn(len(x), 2), x)

    model = condition(nn.Linear(3, 2), SPACE)
    at = SPACE.point(size=1.0)
    same = paired(model, model.bake(at), at, X, noisy, Objective(SPACE), batch=64)
    assert same.gain == pytest.approx(0, abs=1e-5)
    assert same.error < 1e-5


def test_terms_of_a_whole_batch_have_no_error():
    model = condition(nn.Linear(3, 2), SPACE)

    def reduced(net, x):
        return {name: value.mean() for name, value in terms(net, x).items()}

    objective = Objective(SPACE, per_batch=True)
    found = estimate_regret(model, POINTS[:1], [X], reduced, validation=[X], objective=objective, steps=20)
    assert found.errors == (None,)
    assert "±" not in repr(found)


def test_the_result_tells_of_itself():
    model = condition(nn.Linear(3, 2), SPACE)
    done = []
    found = estimate_regret(
        model, SPACE.grid(2), X, terms, validation=X, steps=3, lr=0.01, progress=lambda *now: done.append(now)
    )
    assert done == [(number, 6) for number in range(1, 7)]
    lines = repr(found).splitlines()
    assert lines[0] == "Regret is at least the gain:"
    assert lines[1].split() == ["at", "loss", "polished", "gain"]
    assert lines[2].startswith("size = 0.25  ")
    assert lines[-1].startswith("2 × 3 steps, ")
    assert lines[-1].endswith("400 samples")
    told = json.loads(json.dumps(found.to_dict()))
    assert told["gain"] == pytest.approx([one - two for one, two in zip(told["before"], told["after"], strict=True)])
    assert (told["steps"], told["n"], len(told["seconds"]), told["points"][0]) == (3, 400, 2, {"size": 0.25})
    with pytest.raises(AttributeError):
        found.n = 3


@pytest.mark.parametrize("points", [[], None, torch.zeros(0, 2)])
def test_no_points(points):
    with pytest.raises(YotoError, match="at least one point"):
        estimate_regret(condition(nn.Linear(3, 2), SPACE), points, X, terms, validation=X)


class Ending:
    """Two batches in the first pass, one in the next."""

    left = 3

    def __iter__(self):
        self.left -= 1
        yield from [X[:8]] * self.left


def test_both_networks_see_the_same_samples():
    with pytest.raises(YotoError, match="Found 16 and 8: a loader that ends early"):
        estimate_regret(condition(nn.Linear(3, 2), SPACE), POINTS[:1], X, terms, validation=Ending(), steps=1)


def test_bad_input_is_told_before_anything_is_trained():
    model = condition(nn.Linear(3, 2), SPACE)
    called = []

    def counted(net, x):
        called.append(1)
        return terms(net, x)

    for points in ([{"size": 1.0}, {"size": 9.0}], [{"siez": 1.0}], {"size": 1.0}):
        with pytest.raises(YotoError):
            estimate_regret(model, points, X, counted, validation=X, steps=2)
    with pytest.raises(YotoError, match="conditional network"):
        estimate_regret(nn.Linear(3, 2), POINTS, X, counted, validation=X)
    with pytest.raises(YotoError, match="steps"):
        estimate_regret(model, POINTS, X, counted, validation=X, steps=0)
    assert not called
