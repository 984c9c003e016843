"""Choosing among the points of a stored curve."""

import pytest

from yoto import TradeoffCurve
from yoto.errors import YotoError

CURVE = TradeoffCurve(
    points=[{"kl": beta} for beta in (0.5, 2.0, 8.0, 32.0, 128.0)],
    terms={"fit": [200.0, 202.0, 210.0, 240.0, 239.0], "kl": [20.0, 12.0, 6.0, 2.0, 2.5]},
    loss=[210.0, 226.0, 258.0, 304.0, 559.0],
    metrics={"psnr": [30.0, 29.5, 29.0, 27.0, 27.1], "size": [1.0, 2.0, 3.0, 4.0, 5.0]},
    errors={"fit": [1.0] * 5, "kl": [0.1] * 5, "psnr": [0.2] * 5},
    better={"psnr": "higher"},
    info={"n": 100},
)


def test_the_best_measured_point_meets_the_bounds():
    found = CURVE.best(minimise="kl", subject_to=["fit <= 215", "psnr>=28"])
    assert (found.point, found.feasible, found.evaluations, found.passes) == ({"kl": 8.0}, True, 0, 0.0)
    assert found.margins == pytest.approx({"fit <= 215": 5.0, "psnr >= 28": 5.0})
    assert str(found) == "kl = 6 at kl = 8"
    assert CURVE.best(maximise="psnr", subject_to="kl <= 15").point == {"kl": 2.0}


def test_what_no_point_meets_gives_the_nearest_and_by_how_much():
    found = CURVE.best(minimise="kl", subject_to=["fit <= 201", "kl <= 12"])
    assert not found.feasible
    assert found.point == {"kl": 2.0}
    assert found.misses == {"fit <= 201": 1.0}
    assert found.margins["fit <= 201"] == -1.0
    assert str(found) == ("The request cannot be met: nearest is kl = 2, where 'fit <= 201' is missed by 1 (fit = 202)")


def test_confidence_excludes_what_may_be_chance():
    assert CURVE.best(minimise="kl", subject_to="fit <= 211").point == {"kl": 8.0}
    assert CURVE.best(minimise="kl", subject_to="fit <= 211", confidence=0.95).point == {"kl": 2.0}


def test_a_point_of_a_stored_curve_has_no_network():
    with pytest.raises(YotoError, match=r"model.bake\(found.point\)"):
        _ = CURVE.best(minimise="kl").plain


def test_the_front_respects_directions():
    assert CURVE.pareto().values("kl") == (0.5, 2.0, 8.0, 32.0, 128.0)  # (240, 2) and (239, 2.5) trade
    assert CURVE.pareto("fit", "psnr").values("kl") == (0.5,)  # best in both
    assert CURVE.pareto("kl", "psnr").values("kl") == (0.5, 2.0, 8.0, 32.0, 128.0)
    assert CURVE.pareto("loss", "kl").values("kl") == (0.5, 2.0, 8.0, 32.0)


def test_a_metric_without_direction_is_refused():
    with pytest.raises(YotoError, match="which way 'size' is better"):
        CURVE.pareto("size", "kl")
    with pytest.raises(YotoError, match="Did you mean 'psnr'"):
        CURVE.pareto("psrn")


def test_the_knee_lies_furthest_from_the_chord_on_stated_scales():
    """On y = 1/x the chord's tangent touches at x = 1 on linear scales; logs make the front a line."""
    xs = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0]
    curve = TradeoffCurve(
        points=[{"w": x} for x in xs], terms={"y": [1 / x for x in xs], "x": xs}, loss=[0.0] * len(xs)
    )
    assert curve.knee("x", "y").point == {"w": 1.0}
    turned = TradeoffCurve(
        points=[{"w": x} for x in xs],
        terms={"x": xs},
        metrics={"gain": [-1 / x for x in xs]},
        better={"gain": "higher"},
        loss=[0.0] * len(xs),
    )
    assert turned.knee("x", "gain").point == {"w": 1.0}
    log = TradeoffCurve(
        points=[{"w": x} for x in xs], terms={"y": [1 / x**2 if x < 2 else 1 / x for x in xs], "x": xs}, loss=xs
    )
    assert log.knee("x", "y", ("log", "log")).point == {"w": 1.0}
    assert log.knee("x", "y", ("linear", "linear")).point == {"w": 0.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kl", "fit", ("log", "sqrt")), "'linear' or 'log'. Found 'sqrt'"),
        (("kl", "fit", ("log",)), "`scales` should be two, of x and of y"),
        (("kl", "fit", "log"), "`scales` should be two, of x and of y"),
        (("loss", "fit"), "at least 3 points"),
    ],
)
def test_a_knee_needs_a_front_and_scales(arguments, message):
    with pytest.raises(YotoError, match=message):
        CURVE.knee(*arguments)


def test_epsilon_constraints_give_a_point_for_each_limit():
    found = CURVE.epsilon_constraint("psnr", [29.7, 29.0, 26.0], minimise="kl")
    assert [each.point["kl"] for each in found] == [0.5, 8.0, 32.0]
    assert [list(each.margins) for each in found] == [["psnr >= 29.7"], ["psnr >= 29"], ["psnr >= 26"]]
    assert [each.point["kl"] for each in CURVE.epsilon_constraint("kl", [3.0], minimise="fit")] == [128.0]


@pytest.mark.parametrize("limits", [3.0, "3", [float("nan")], ["a"]])
def test_limits_are_finite_numbers(limits):
    with pytest.raises(YotoError, match="`limits` should be finite numbers"):
        CURVE.epsilon_constraint("kl", limits, minimise="fit")


def test_unknown_names_are_refused():
    with pytest.raises(YotoError, match="`minimise` should name one of .*Found 'kll'. Did you mean 'kl'"):
        CURVE.best(minimise="kll")
    with pytest.raises(YotoError, match="`subject_to` should name one of .*Did you mean 'psnr'"):
        CURVE.best(minimise="kl", subject_to="psrn >= 3")


@pytest.mark.parametrize("bulge", [0.0, 0.3])
def test_a_front_that_bulges_outwards_has_no_knee(bulge):
    xs = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
    ys = [1 - x + bulge * x * (1 - x) for x in xs]
    curve = TradeoffCurve(points=[{"w": x} for x in xs], terms={"y": ys, "x": xs}, loss=xs)
    with pytest.raises(YotoError, match="a point below the chord"):
        curve.knee()


def test_no_column_has_the_name_of_the_whole_loss():
    with pytest.raises(YotoError, match="should not be called 'loss'"):
        TradeoffCurve(points=[{"w": 1.0}], terms={"loss": [1.0]}, loss=[2.0])
