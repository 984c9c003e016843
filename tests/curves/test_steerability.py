"""Whether λ steers: healthy models, broken ones, and curves that contradict themselves."""

import pytest
import torch
from torch import nn

from curves.selection.models import THREE, only, terms
from yoto import LogUniform, LossSpace, Objective, Simplex, TradeoffCurve, condition, steerability
from yoto.curves.consistency import better_elsewhere, crossed, slopes_beyond
from yoto.curves.steering import rank_correlation
from yoto.errors import YotoError

SPACE = LossSpace(fit=1.0, size=LogUniform(0.05, 20.0))


def trained(space, function, *, shuffled=False, frozen=False):
    """A small network after 250 steps, λ of the loss shuffled or not shown."""
    model, objective = condition(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4)), space), Objective(space)
    if frozen:
        model.film.register_forward_pre_hook(lambda _, given: (torch.zeros_like(given[0]),))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(250):
        x, lam = torch.randn(64, 4), space.sample(64)
        seen = lam[torch.randperm(64)] if shuffled else lam
        objective(function(model.at(seen), x), lam).backward()
        optimiser.step()
        optimiser.zero_grad()
    return model


def dead(net, batch):
    found = only("fit", "size")(net, batch)
    return {"fit": found["fit"], "size": torch.ones_like(found["size"])}


DATA = torch.randn(200, 4, generator=torch.Generator().manual_seed(5))
PAIR = only("fit", "size")


def test_a_healthy_model_steers():
    found = steerability(trained(SPACE, PAIR), DATA, PAIR)
    assert not found.decorative
    assert found.correlation == {"size": -1.0}
    assert found.own > 0.95
    assert abs(found.shuffled_correlation["size"]) < 0.1
    assert 0.4 < found.shuffled_own < 0.6
    assert found.remarks() == []


def test_several_weights_steer_each_along_its_own_axis():
    found = steerability(trained(THREE, terms), DATA, terms)
    assert not found.decorative
    assert set(found.correlation) == {"size", "bend", "tilt"}
    assert max(found.correlation.values()) < -0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_lam_that_the_loss_did_not_see_is_decorative(seed):
    torch.manual_seed(seed)
    found = steerability(trained(SPACE, PAIR, shuffled=True), DATA, PAIR)
    assert found.decorative
    assert found.remarks()


def test_values_that_do_not_depend_on_lam_are_decorative():
    found = steerability(trained(SPACE, PAIR, frozen=True), DATA, PAIR)
    assert found.decorative
    assert found.ineffective
    assert found.remarks() == ["λ has no effect: it explains 0 of a loss term's variation at most"]


def test_a_dead_term_is_decorative():
    found = steerability(trained(SPACE, dead), DATA, dead)
    assert found.decorative
    assert found.ignored == ["size"]


def optimal(weights):
    """Terms at the optimum of x² + λ(x−1)²."""
    return {"a": [(w / (1 + w)) ** 2 for w in weights], "b": [1 / (1 + w) ** 2 for w in weights]}


def curve(weights, columns, errors=None):
    loss = [a + w * b for w, a, b in zip(weights, columns["a"], columns["b"], strict=True)]
    return TradeoffCurve(
        points=[{"b": w} for w in weights],
        weights=[{"a": 1.0, "b": w} for w in weights],
        terms=columns,
        loss=loss,
        errors=errors or {},
        info={"n": 100},
    )


WEIGHTS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]


def test_a_curve_of_optima_agrees_with_itself():
    found = curve(WEIGHTS, optimal(WEIGHTS))
    assert found.better_elsewhere() == []
    assert found.slopes_beyond() == []
    assert found.remarks() == []


def test_a_point_that_another_beats_is_told():
    columns = optimal(WEIGHTS)
    columns["a"][2] += 0.2
    columns["b"][2] += 0.2
    found = curve(WEIGHTS, columns)
    (better,) = found.better_elsewhere()
    assert better.point == 2
    assert better.own == pytest.approx(0.9)
    assert better.loss == min(crossed(found.weights, found.terms)[2])
    assert "at b = 1 the network of b = " in found.remarks()[0]
    assert "in place of 0.9" in found.remarks()[0]


def test_slopes_are_those_of_the_weights_within_their_error():
    """−ΔA/ΔB lies between the weights of two optima: here the last two are optima of 20 and 30."""
    columns = optimal([0.1, 0.3, 20.0, 30.0])
    weights = [{"a": 1.0, "b": w} for w in (0.1, 0.3, 1.0, 3.0)]
    found = slopes_beyond("b", weights, columns, {})
    assert [(each.point, each.other) for each in found] == [(1, 2), (2, 3)]
    assert 20 < found[1].slope < 30
    assert (found[1].low, found[1].high) == (1.0, 3.0)
    noisy = {"a": [0.2] * 4, "b": [0.2] * 4}
    assert slopes_beyond("b", weights, columns, noisy) == []


def test_a_loss_that_is_no_weighted_sum_is_left_alone():
    columns = optimal(WEIGHTS)
    columns["a"][2] += 0.2
    other = TradeoffCurve(
        points=[{"b": w} for w in WEIGHTS],
        weights=[{"a": 1.0, "b": w} for w in WEIGHTS],
        terms=columns,
        loss=[5.0] * 6,
    )
    assert other.better_elsewhere() == []
    assert other.steering().own is None


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    one, other = torch.randn(2, 30).round(decimals=1).tolist()
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlation([1.0, 1.0], [2.0, 3.0]) == 0.0


def test_nothing_is_better_than_itself():
    assert better_elsewhere([[1.0]]) == []


def test_a_simplex_steers_along_its_weights():
    space = LossSpace(mix=Simplex("fit", "size", "tilt"))
    function = only("fit", "size", "tilt")
    found = steerability(trained(space, function), DATA, function)
    assert not found.decorative


def optima(space, lam, generator):
    """The curve of the best x [3] at each λ for quadratic terms, in closed form."""
    centres = torch.randn(len(space.names), 3, generator=generator, dtype=torch.float64)
    roots = torch.randn(len(space.names), 3, 3, generator=generator, dtype=torch.float64)
    forms = roots @ roots.mT + 0.05 * torch.eye(3)
    lam = lam.double()
    best = torch.linalg.solve(
        torch.einsum("mt,tij->mij", lam, forms), torch.einsum("mt,tij,tj->mi", lam, forms, centres)
    )
    away = best[:, None] - centres
    columns = torch.einsum("mti,tij,mtj->tm", away, forms, away)
    weights = [dict(zip(space.names, row, strict=True)) for row in lam.tolist()]
    return TradeoffCurve(
        points=weights,
        weights=weights,
        terms=dict(zip(space.names, columns.tolist(), strict=True)),
        loss=(lam.T * columns).sum(0).tolist(),
        info={"n": 100},
    )


THREE_OF_ONE, FOUR_OF_ONE = LossSpace(mix=Simplex("a", "b", "c")), LossSpace(mix=Simplex("a", "b", "c", "d"))
TWO = LossSpace(a=1.0, b=LogUniform(0.01, 10.0), c=LogUniform(0.01, 10.0))
SETS = {
    "a coarse lattice": (THREE_OF_ONE, lambda space, _: space.grid(6, kind="lattice")),
    "a lattice": (THREE_OF_ONE, lambda space, _: space.grid(9, kind="lattice")),
    "a lattice of four": (FOUR_OF_ONE, lambda space, _: space.grid(5, kind="lattice")),
    "drawn": (THREE_OF_ONE, lambda space, generator: space.sample(30, generator)),
    "several weights at once": (TWO, lambda space, _: space.grid(32, joint=True)),
    "several weights by themselves": (TWO, lambda space, _: space.grid(9)),
}


@pytest.mark.parametrize("points", SETS)
def test_optima_of_several_weights_are_never_decorative(points):
    space, make = SETS[points]
    generator = torch.Generator().manual_seed(0)
    for _ in range(8):
        found = optima(space, make(space, generator), generator)
        assert found.steering().own > 0.99
        assert not [line for line in found.remarks() if "decorative" in line]


def test_a_lattice_at_whose_points_the_same_network_stands_is_decorative():
    lam = THREE_OF_ONE.grid(9, kind="lattice")
    generator = torch.Generator().manual_seed(0)
    found = optima(THREE_OF_ONE, lam[torch.randperm(len(lam), generator=generator)], generator)
    weights = [dict(zip(THREE_OF_ONE.names, row, strict=True)) for row in lam.tolist()]
    loss = [sum(w[name] * found.terms[name][i] for name in w) for i, w in enumerate(weights)]
    wrong = TradeoffCurve(points=weights, weights=weights, terms=found.terms, loss=loss, info={"n": 100})
    assert wrong.steering().decorative
    assert set(wrong.steering().correlation) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": SPACE.grid(3)}, "`points` should be at least 5, to tell what follows λ. Found 3"),
        ({"model": nn.Linear(4, 4)}, "`model` should be a conditional network, .*Found Linear"),
        ({"model": "vae"}, "`model` should be a network"),
    ],
)
def test_bad_input(changes, message):
    given = {"model": condition(nn.Linear(4, 4), SPACE), "points": None, **changes}
    with pytest.raises(YotoError, match=message):
        steerability(given["model"], DATA, only("fit", "size"), points=given["points"])


def test_points_that_differ_in_what_weighs_no_term_are_not_compared():
    """A quantile regression, whose loss term is another function at each level: the least is not the best."""
    levels = [{"level": level} for level in (0.1, 0.5, 0.9)]
    pinball = (0.2, 0.5, 0.21)
    curve = TradeoffCurve(
        points=levels, weights=[{"fit": 1.0, **level} for level in levels], terms={"fit": pinball}, loss=pinball
    )
    assert curve.better_elsewhere() == []
    assert curve.steering().own is None
    assert not curve.steering().unfounded
    twice = TradeoffCurve(points=levels[:1] * 5, weights=[{"fit": 1.0}] * 5, terms={"fit": [1.0] * 5}, loss=[1.0] * 5)
    assert twice.steering().own is None  # one λ five times: nothing is told
    joined = TradeoffCurve(
        points=[{"level": level, "size": size} for level in (0.1, 0.9) for size in (1.0, 2.0)],
        weights=[{"fit": 1.0, "size": size, "level": level} for level in (0.1, 0.9) for size in (1.0, 2.0)],
        terms={"fit": (1.0, 1.5, 9.0, 9.8), "size": (1.0, 0.1, 1.0, 0.3)},
        loss=(2.0, 1.7, 10.0, 10.4),
    )
    assert [(each.point, each.other) for each in joined.better_elsewhere()] == [(0, 1)]
    assert joined.steering().own == 0.75
