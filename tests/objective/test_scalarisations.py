"""Scalarisations against their formulas, and on a front that the weighted sum cannot reach."""

import math

import pytest
import torch
from torch import nn

from yoto import LogUniform, LossSpace, Objective, Simplex, YotoError, condition, sweep
from yoto.objective import Chebyshev, CosinePenalised, SmoothChebyshev, WeightedSum
from yoto.objective.kinds import KINDS, scalarisation_from

SPACE = LossSpace(mix=Simplex("a", "b"))


def pairs(n=16):
    g = torch.Generator().manual_seed(0)
    return torch.rand(n, 2, generator=g) + 0.1, torch.rand(n, 2, generator=g) + 0.1


def test_each_is_its_formula():
    losses, weights = pairs()
    for got, expected in (
        (WeightedSum(), lambda v, w: sum(a * b for a, b in zip(v, w, strict=True))),
        (Chebyshev(ideal=0.1), lambda v, w: max(b * (a - 0.1) for a, b in zip(v, w, strict=True))),
        (
            SmoothChebyshev(smoothing=0.3, ideal={"b": 0.2}),
            lambda v, w: 0.3 * math.log(math.exp(w[0] * v[0] / 0.3) + math.exp(w[1] * (v[1] - 0.2) / 0.3)),
        ),
        (
            CosinePenalised(penalty=2.0),
            lambda v, w: v[0] * w[0] + v[1] * w[1] - 2 * (v[0] * w[0] + v[1] * w[1]) / math.hypot(*v) / math.hypot(*w),
        ),
    ):
        found = got.over(("a", "b"))(losses.double(), weights.double())
        rows = zip(losses.double().tolist(), weights.double().tolist(), strict=True)
        assert found.tolist() == pytest.approx([expected(v, w) for v, w in rows])


def test_smooth_chebyshev_lies_above_chebyshev_by_at_most_its_bound():
    losses, weights = pairs()
    sharp, soft = (each.over(("a", "b"))(losses, weights) for each in (Chebyshev(), SmoothChebyshev(smoothing=0.05)))
    assert (soft >= sharp).all()
    assert (soft - sharp).max() <= 0.05 * math.log(2) + 1e-6


class Front(nn.Module):
    """One number u per sample, with losses 1 - u² and 1 - (1 - u)²: the front is concave throughout."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x):
        return self.body(x).sigmoid()[:, 0]


def terms(net, batch):
    u = net(batch)
    return {"a": 1 - u**2, "b": 1 - (1 - u) ** 2}


def trained(scalarisation):
    """The curve of a network trained with a scalarisation, at weights from 0.2 to 0.8."""
    torch.manual_seed(0)
    model, objective = condition(Front(), SPACE, hidden=(32,)), Objective(SPACE, scalarisation=scalarisation)
    optimiser, x = torch.optim.Adam(model.parameters(), 0.03), torch.ones(64, 1)
    for step in range(150):
        lam = SPACE.sample(64, torch.Generator().manual_seed(step))
        objective(terms(model.at(lam), x), lam).backward()
        optimiser.step()
        optimiser.zero_grad()
    points = [{"a": weight, "b": 1 - weight} for weight in (0.2, 0.35, 0.5, 0.65, 0.8)]
    return sweep(model, [x[:1]], terms, points, objective=objective)


def inner_points(curve):
    """How many points of a curve lie inside the front, away from both of its ends."""
    return sum(min(a, b) > 0.1 for a, b in zip(curve.terms["a"], curve.terms["b"], strict=True))


def test_chebyshev_reaches_a_concave_front_where_the_sum_stays_at_its_ends():
    assert inner_points(trained(None)) == 0
    for scalarisation in (Chebyshev(), SmoothChebyshev(smoothing=0.02)):
        curve = trained(scalarisation)
        assert inner_points(curve) == 5
        for weights, a, b, loss in zip(curve.weights, curve.terms["a"], curve.terms["b"], curve.loss, strict=True):
            best = min(
                max(weights["a"] * (1 - u**2), weights["b"] * (1 - (1 - u) ** 2)) for u in torch.linspace(0, 1, 201)
            )
            assert max(weights["a"] * a, weights["b"] * b) <= 1.05 * float(best)
            assert loss >= float(best) - 1e-6


def test_they_travel_by_name_and_settings():
    for scalarisation in (WeightedSum(), Chebyshev({"a": 0.5}), SmoothChebyshev(0.2), CosinePenalised(0.5)):
        objective = Objective(SPACE, scalarisation=scalarisation, balance=None, per_batch=True)
        again = Objective.from_dict(SPACE, objective.to_dict())
        assert again.scalarisation == scalarisation
        assert (again.balance, again.per_batch) == (None, True)
    assert set(KINDS) == {"weighted-sum", "chebyshev", "smooth-chebyshev", "cosine-penalised"}
    assert Objective(SPACE, scalarisation="chebyshev").scalarisation == Chebyshev()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scalarisation_from("chebychev"), "Did you mean 'chebyshev'"),
        (lambda: scalarisation_from("chebyshev", {"smoothing": 1.0}), "settings of its own"),
        (lambda: Objective(SPACE, scalarisation="max"), "should be one of weighted-sum"),
        (lambda: Objective(SPACE, scalarisation=3), "a name or a function"),
        (lambda: Objective(SPACE, scalarisation=Chebyshev({"c": 1.0})), "should name weighted terms. Found 'c'"),
        (lambda: SmoothChebyshev(smoothing=0.0), "above 0"),
        (lambda: Chebyshev(ideal="low"), "`ideal` should be a number"),
        (lambda: CosinePenalised(penalty=-1.0), "at least 0"),
        (lambda: Objective.from_dict(SPACE, {"scalarisation": "mine"}), "objective="),
        (lambda: Objective(SPACE, reduction="median"), "`reduction`"),
        (lambda: Objective("space"), "`space` should be a LossSpace"),
    ],
)
def test_what_there_is_not(make, message):
    with pytest.raises(YotoError, match=message):
        make()


def test_an_objective_is_a_module_with_a_repr_and_reductions():
    space = LossSpace(fit=1.0, kl=LogUniform(0.5, 128.0))
    objective = Objective(space, scalarisation=SmoothChebyshev(0.2), reduction="sum")
    assert "SmoothChebyshev(smoothing=0.2" in repr(objective)
    assert "kl=LogUniform" in repr(objective)
    assert "reduction='sum'" in repr(objective)
    assert not list(objective.state_dict())
    lam = space.sample(6)
    given = {"fit": torch.rand(6), "kl": torch.rand(6)}
    each = Objective(space, reduction="none")(given, lam)
    assert each.shape == (6,)
    assert torch.allclose(each.mean(), Objective(space)(given, lam))
    assert torch.allclose(each.sum(), Objective(space, reduction="sum")(given, lam))


def test_parameters_of_a_scalarisation_of_ones_own_are_the_objectives():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.power = nn.Parameter(torch.ones(()))

        def forward(self, losses, weights):
            return ((weights * losses) ** self.power).sum(1)

    assert len(list(Objective(SPACE, scalarisation=Learned()).parameters())) == 1


@pytest.mark.parametrize(
    ("given", "lam", "message"),
    [
        ({"a": torch.rand(3), "b": torch.rand(3)}, 3.0, "λ should be a tensor.*Found float"),
        ({"a": torch.rand(3), "b": torch.rand(3)}, torch.rand(3), r"Found shape \(3,\)"),
        ([torch.rand(3)], torch.rand(3, 2), "tensors by name.*Found a list"),
        ({"a": 1.0, "b": torch.rand(3)}, torch.rand(3, 2), "'a' should be a tensor"),
        ({"a": torch.rand(3), "b": torch.rand(3)}, torch.rand(4, 2), "a row for each of the 3 samples"),
    ],
)
def test_terms_and_lambda_of_another_kind(given, lam, message):
    with pytest.raises(YotoError, match=message):
        Objective(SPACE)(given, lam)
