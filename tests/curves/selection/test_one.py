"""Along one parameter: known optima, brute force, few evaluations, limits."""

import math

import numpy as np
import pytest
import torch

from curves.selection.problems import PAIR, measure, pair, problem
from yoto import Choice, LogUniform, LossSpace
from yoto.curves.selection.coordinates import Coordinates
from yoto.curves.selection.evaluations import Budget
from yoto.curves.selection.request import Measured, request
from yoto.curves.selection.searching import GUIDED, UNGUIDED, Problem

GUIDE = measure(pair)([(1.0, float(b)) for b in np.geomspace(0.01, 100, 13)])


@pytest.mark.parametrize("guide", [(), GUIDE], ids=["without a curve", "with a curve"])
def test_a_bound_is_met_where_the_closed_form_says(guide):
    """b = 1/(1+λ)² <= 0.04 from λ = 4 on, where a = 0.64."""
    task = problem(pair, PAIR, ("a", None, ["b <= 0.04"]), guide=guide)
    found, limited = task.solve()
    assert limited is None
    assert found.values["b"] <= 0.04
    assert found.values["a"] == pytest.approx(0.64, rel=0.002)
    assert found.lam[1] == pytest.approx(4.0, rel=0.01)
    assert task.budget.used <= (GUIDED if guide else UNGUIDED)


def test_a_stored_curve_of_other_data_lends_its_shape_only():
    shifted = [
        Measured(lam=m.lam, values={"a": 1.3 * m.values["a"] + 0.1, "b": 0.8 * m.values["b"]}, samples=5) for m in GUIDE
    ]
    task = problem(pair, PAIR, ("a", None, ["b <= 0.04"]), guide=shifted)
    found, _ = task.solve()
    assert found.values["b"] <= 0.04
    assert found.values["a"] == pytest.approx(0.64, rel=0.002)
    assert task.budget.used <= GUIDED


def test_without_an_active_bound_an_end_is_the_answer():
    for guide in ((), GUIDE):
        found, _ = problem(pair, PAIR, ("b", None, ["a <= 2"]), guide=guide).solve()
        assert found.lam[1] == 100.0


def test_what_cannot_be_met_gives_the_nearest():
    task = problem(pair, PAIR, ("a", None, ["b <= -1"]), guide=GUIDE)
    found, _ = task.solve()
    assert not task.request.feasible(found)
    assert found.lam[1] == 100.0
    assert task.budget.used <= 3


def test_confidence_moves_the_answer_inside_by_its_errors():
    plain, sure = (
        problem(pair, PAIR, ("a", None, ["b <= 0.04"], confidence), guide=GUIDE).solve()[0]
        for confidence in (None, 0.95)
    )
    quantile = 1.685  # Student's, 39 degrees of freedom
    assert sure.values["b"] + quantile * sure.errors["b"] <= 0.04
    assert sure.values["a"] > plain.values["a"]
    assert sure.values["b"] + quantile * sure.errors["b"] == pytest.approx(0.04, abs=5e-4)


def line(function):
    """A problem along u = log10 λ in [0, 1] for quantities of u."""

    def evaluate(points):
        return [Measured(lam=lam, values=function(math.log10(lam[1]))) for lam in points]

    def make(wanted, **more):
        coordinates = Coordinates(LossSpace(a=1.0, b=LogUniform(1.0, 10.0)))
        return Problem(request=request(*wanted), coordinates=coordinates, evaluate=evaluate, **more)

    return make, evaluate


def best_of_200(evaluate, wanted):
    """Of places that lie in a piece at least a hundredth of the range wide."""
    found = evaluate([(1.0, 10 ** (i / 199)) for i in range(200)])
    asked = request(*wanted)
    inside = [asked.feasible(measured) for measured in found]
    wide = [i for i in range(200) if inside[i] and inside[max(i - 1, 0)] and inside[min(i + 1, 199)]]
    return min(asked.cost(found[i]) for i in wide)


@pytest.mark.parametrize("guided", [False, True], ids=["without a curve", "with a curve"])
@pytest.mark.parametrize("seed", range(12))
def test_metrics_that_are_not_monotone_are_searched_by_pieces(seed, guided):
    draw = np.random.default_rng(seed)
    falls, waves, level = draw.uniform(0.5, 4), draw.uniform(4, 12), draw.uniform(0.2, 0.8)

    def quantities(u):
        return {"a": 10 * math.exp(-falls * u) + 0.3, "b": math.sin(waves * u) + 1.5 * u}

    make, evaluate = line(quantities)
    values = [m.values["b"] for m in evaluate([(1.0, 10 ** (i / 199)) for i in range(200)])]
    limit = float(np.quantile(values, level))
    for wanted in (("a", None, [f"b <= {limit}"]), (None, "a", [f"b >= {limit}"])):
        guide = evaluate([(1.0, 10 ** (i / 12)) for i in range(13)]) if guided else ()
        task = make(wanted, guide=guide)
        found, _ = task.solve()
        assert task.request.feasible(found)
        assert task.request.cost(found) <= best_of_200(evaluate, wanted) + 0.005 * abs(best_of_200(evaluate, wanted))
        assert task.budget.used <= (GUIDED if guided else UNGUIDED)


def test_an_optimum_inside_is_found_without_bounds():
    make, _ = line(lambda u: {"a": (u - 0.37) ** 2 + 1, "b": 0.0})
    found, _ = make(("a", None, ())).solve()
    assert math.log10(found.lam[1]) == pytest.approx(0.37, abs=0.02)


def test_every_name_of_a_choice_is_searched():
    """The bound is met at λ = 4, 9 or 19, and by the last at the lowest cost."""

    def evaluate(points):
        factors = (1.0, 2.0, 4.0)
        return [
            Measured(lam=lam, values={"a": lam[1] / f**2, "b": f / (1 + lam[1])})
            for lam in points
            for f in [sum(x * y for x, y in zip(factors, lam[2:], strict=True))]
        ]

    space = LossSpace(a=1.0, b=LogUniform(0.1, 100.0), style=Choice("one", "two", "four"))
    task = Problem(request=request("a", None, ["b <= 0.2"]), coordinates=Coordinates(space), evaluate=evaluate)
    found, _ = task.solve()
    assert found.lam[2:] == (0.0, 0.0, 1.0)
    assert found.lam[1] == pytest.approx(19, rel=0.01)
    few = Problem(
        request=request("a", None, ["b <= 0.2"]), coordinates=Coordinates(space), evaluate=evaluate, budget=Budget(30)
    )
    found, _ = few.solve()
    assert found.lam[2:] == (0.0, 0.0, 1.0)  # each name has its share of the limit
    assert few.budget.used <= 30
    held = Problem(
        request=request("a", None, ["b <= 0.2"]), coordinates=Coordinates(space, {"style": "one"}), evaluate=evaluate
    )
    found, _ = held.solve()
    assert found.lam[2:] == (1.0, 0.0, 0.0)
    assert found.lam[1] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("limit", [1, 2, 6])
def test_the_limit_on_evaluations_is_kept(limit):
    task = problem(pair, PAIR, ("a", None, ["b <= 0.04"]), budget=Budget(limit))
    _, limited = task.solve()
    assert task.budget.used <= limit
    assert limited in ("evaluations", None)
    assert limit > 2 or limited == "evaluations"


def test_the_limit_on_seconds_is_kept():
    now = [0.0]
    slow = measure(pair)

    def evaluate(points):
        now[0] += len(points)
        return slow(points)

    task = Problem(
        request=request("a", None, ["b <= 0.04"]),
        coordinates=Coordinates(PAIR),
        evaluate=evaluate,
        guide=[Measured(lam=m.lam, values={k: 3 * v for k, v in m.values.items()}) for m in GUIDE],
        budget=Budget(seconds=2.5, clock=lambda: now[0]),
    )
    _, limited = task.solve()
    assert limited == "seconds"
    assert now[0] <= 2.5


def test_nothing_is_measured_twice():
    seen = []

    def evaluate(points):
        seen.extend(points)
        return measure(pair)(points)

    Problem(request=request("a", None, ["b <= 0.04"]), coordinates=Coordinates(PAIR), evaluate=evaluate).solve()
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("guide", [(), GUIDE], ids=["without a curve", "with a curve"])
def test_bounds_that_leave_little_room_are_met(guide):
    """b = 1/(1+λ)²: a band of 1e-4 of its value, narrower than the steps in which the range is searched."""
    task = problem(pair, PAIR, ("a", None, ["0.04 <= b <= 0.040004"]), guide=guide)
    found, _ = task.solve()
    assert task.request.feasible(found)
    assert found.lam[1] == pytest.approx(4.0, rel=1e-4)
    same = problem(pair, PAIR, ("a", None, ["b <= 0.04", "b >= 0.04"]), guide=guide)
    assert same.solve()[0].lam[1] == pytest.approx(4.0, rel=1e-4)
    assert max(task.budget.used, same.budget.used) <= UNGUIDED


def test_a_dip_beside_the_nearest_point_is_found_before_a_request_is_given_up():
    """y at a quarter of the range is that at its low end, and lower between."""

    def dip(lam):
        u = math.log10(float(lam[1])) / 4 + 0.5
        return {"a": torch.full((4,), u), "b": torch.full((4,), (u - 0.125) ** 2)}

    task = problem(dip, PAIR, ("a", None, ["b <= 0.001"]), gradient=False)
    assert task.request.feasible(task.solve()[0])


def knots(evaluate, count):
    """A stored curve of the same data, evenly along the range."""
    return evaluate([(1.0, 10 ** (i / (count - 1))) for i in range(count)])


@pytest.mark.parametrize("count", [0, 10])
@pytest.mark.parametrize("edge", [0.6, 0.8, 0.97])
def test_a_bound_at_the_floor_of_its_quantity_is_met_up_to_where_that_leaves_it(edge, count):
    for violation in (lambda u: max(u - edge, 0.0), lambda u: float(u > edge)):
        make, evaluate = line(lambda u, v=violation: {"gain": 1 + u, "bad": v(u)})
        found, _ = make((None, "gain", ["bad <= 0"]), guide=knots(evaluate, count) if count else ()).solve()
        assert found.values["bad"] == 0
        assert found.values["gain"] == pytest.approx(1 + edge, rel=0.003)


@pytest.mark.parametrize("floor", [0.0, 30.0, 1000.0])
def test_what_is_added_to_an_objective_does_not_move_its_best_place(floor):
    make, _ = line(lambda u: {"a": u + floor, "b": 1 - u * u})
    found, _ = make(("a", None, ["b <= 0.9"])).solve()
    assert math.log10(found.lam[1]) == pytest.approx(0.1**0.5, abs=0.003)


@pytest.mark.parametrize("centre", [0.45, 0.62])
@pytest.mark.parametrize("count", [4, 5, 7, 9])
def test_an_objective_that_turns_between_the_points_of_a_curve_is_followed(count, centre):
    make, evaluate = line(lambda u: {"a": 1.1 - math.exp(-(((u - centre) / 0.15) ** 2)), "b": 0.0})
    task = make(("a", None, ()), guide=knots(evaluate, count))
    assert task.solve()[0].values["a"] < 0.12
    assert task.budget.used <= GUIDED


@pytest.mark.parametrize("centre", [0.45, 0.55, 0.62])
@pytest.mark.parametrize("count", [5, 7, 10])
def test_a_valley_between_the_points_of_a_curve_is_found_before_a_request_is_given_up(count, centre):
    make, evaluate = line(lambda u: {"a": math.exp(u), "b": 1 - math.exp(-(((u - centre) / 0.1) ** 2))})
    task = make(("a", None, [f"b <= {1 - math.exp(-0.25)}"]), guide=knots(evaluate, count))
    found, _ = task.solve()
    assert task.request.feasible(found)
    assert found.values["a"] <= 1.01 * math.exp(centre - 0.05)


@pytest.mark.parametrize("count", [4, 6, 10, 20])
@pytest.mark.parametrize("limit", [0.001, 0.1, 0.5, 0.9])
def test_a_step_between_the_points_of_a_curve_is_bisected(limit, count):
    make, evaluate = line(lambda u: {"a": math.exp(u), "b": 1 / (1 + math.exp(-60 * (u - 0.4)))})
    guide = knots(evaluate, count)
    task = make(("a", None, [f"b >= {limit}"]), guide=guide)
    found, _ = task.solve()
    assert task.request.feasible(found)
    assert found.values["a"] <= 1.001 * guide[task.request.best(guide)].values["a"]
    assert found.values["a"] <= 1.01 * math.exp(0.4 + math.log(limit / (1 - limit)) / 60)


def test_a_curve_of_other_data_is_not_taken_for_these():
    make, evaluate = line(lambda u: {"a": 1.1 - math.exp(-(((u - 0.5) / 0.2) ** 2)), "b": u})
    moved = [Measured(lam=m.lam, values={**m.values, "a": m.values["a"] - 5}, samples=5) for m in knots(evaluate, 7)]
    task = make(("a", None, ["b <= 0.9"]), guide=moved)
    assert task.solve()[0].values["a"] == pytest.approx(0.1, abs=0.01)
    assert task.budget.used <= GUIDED
