"""Over several parameters: known optima, brute force at a tenth of its evaluations, with and without gradients."""

import math

import pytest
import torch

from curves.selection.problems import CORNERS, MIXED, SAMPLES, brute_force, corners, measure, mixed, problem
from yoto import Choice, LogUniform, LossSpace
from yoto.curves.selection.coordinates import Coordinates
from yoto.curves.selection.evaluations import Budget
from yoto.curves.selection.gradients import Moments
from yoto.curves.selection.request import Measured, request
from yoto.curves.selection.searching import SEVERAL, Problem
from yoto.errors import YotoError

GRADIENT = pytest.mark.parametrize("gradient", [True, False], ids=["with gradients", "without"])


@GRADIENT
def test_a_simplex_reaches_the_closed_form(gradient):
    """By symmetry w = (s, s, 1−2s): a = b = 6s² − 6s + 2 <= 1.2 from s = 0.15843 on, where c = 6s²."""
    task = problem(corners, CORNERS, ("c", None, ["a <= 1.2", "b <= 1.2"]), gradient=gradient)
    found, _ = task.solve()
    s = (6 - math.sqrt(36 - 24 * 0.8)) / 12
    assert task.request.feasible(found)
    assert found.values["c"] == pytest.approx(6 * s * s, rel=0.01)
    assert sum(found.lam) == pytest.approx(1, abs=1e-6)
    assert task.budget.used <= SEVERAL


@GRADIENT
@pytest.mark.parametrize(
    "wanted",
    [
        ("a", None, ["b <= 3", "c <= 6"]),
        ("d", None, ["a <= 2.5", "height >= -0.5"]),
        (None, "height", ["a <= 3"]),
        ("b", None, ["c <= 7", "d <= 14"], 0.95),
    ],
    ids=lambda wanted: wanted[0] or wanted[1],
)
def test_no_worse_than_brute_force_at_a_tenth_of_its_evaluations(wanted, gradient):
    reference = brute_force(mixed, MIXED, wanted)
    task = problem(mixed, MIXED, wanted, gradient=gradient)
    found, _ = task.solve()
    assert task.request.feasible(reference)
    assert task.request.feasible(found)
    best = task.request.cost(reference)
    assert task.request.cost(found) <= best + 0.02 * abs(best)
    assert task.budget.used <= 100


@GRADIENT
def test_the_answer_holds_on_all_data_when_a_part_was_searched(gradient):
    """The first samples lie below the mean of all, by an offset that only all data show."""
    wanted = ("a", None, ["b <= 3", "c <= 6"])
    task = problem(mixed, MIXED, wanted, count=SAMPLES // 2, gradient=gradient)
    found, _ = task.solve()
    assert task.request.feasible(measure(mixed)([found.lam])[0])
    best = task.request.cost(brute_force(mixed, MIXED, wanted))
    assert task.request.cost(found) <= best + 0.02 * abs(best)
    assert task.budget.passes < task.budget.used


def test_gradients_that_are_not_those_of_the_measurement_are_left():
    """Rounded quantities have the gradient 0 everywhere; the search goes on without."""

    def rounded(lam):
        return {name: (values * 200).round() / 200 for name, values in mixed(lam).items()}

    wanted = ("a", None, ["b <= 3", "c <= 6"])
    task = problem(rounded, MIXED, wanted)
    found, _ = task.solve()
    best = task.request.cost(brute_force(rounded, MIXED, wanted))
    assert task.request.feasible(found)
    assert task.request.cost(found) <= best + 0.02 * abs(best)
    with pytest.raises(YotoError, match="Use 'derivative-free'"):
        problem(rounded, MIXED, wanted, method="gradient").solve()


def test_every_name_is_searched_and_blends_are_not():
    space = LossSpace(a=1.0, b=LogUniform(0.1, 10.0), c=LogUniform(0.1, 10.0), style=Choice("x", "y", "z"))

    def evaluate(points):
        found = []
        for lam in points:
            offset = (0.3, -0.4, 0.1)[max(range(3), key=lambda i: lam[3 + i])]
            assert max(lam[3:]) == 1.0
            place = (math.log10(lam[1]) - offset) ** 2 + (math.log10(lam[2]) + offset) ** 2
            found.append(Measured(lam=lam, values={"a": 1 + place + offset, "b": 0.0}))
        return found

    task = Problem(request=request("a", None, ()), coordinates=Coordinates(space), evaluate=evaluate)
    found, _ = task.solve()
    assert found.lam[3:] == (0.0, 1.0, 0.0)
    assert found.values["a"] == pytest.approx(0.6, abs=0.01)


def test_what_cannot_be_met_gives_the_nearest():
    """The nearest point under a, b, c <= 0.5 is the middle, where each is 2/3."""
    task = problem(corners, CORNERS, ("a", None, ["a <= 0.5", "b <= 0.5", "c <= 0.5"]))
    found, _ = task.solve()
    assert not task.request.feasible(found)
    assert max(found.values.values()) == pytest.approx(2 / 3, rel=0.02)


@pytest.mark.parametrize("limit", [1, 5, 30])
@GRADIENT
def test_the_limit_on_evaluations_is_kept(limit, gradient):
    task = problem(mixed, MIXED, ("a", None, ["b <= 3"]), gradient=gradient, count=20, budget=Budget(limit))
    found, limited = task.solve()
    assert task.budget.used <= limit
    assert found.samples == SAMPLES
    assert limit > 5 or limited == "evaluations"


def test_a_stored_curve_gives_starts():
    close = measure(mixed)([(1.0, 1.0, 0.4, 0.03), (1.0, 0.9, 0.5, 0.03)])
    task = problem(mixed, MIXED, ("a", None, ["b <= 3", "c <= 6"]), guide=close, budget=Budget(30))
    found, _ = task.solve()
    assert task.request.feasible(found)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"e": 1.0}, "`at` should name free parameters, b, c, d. Found 'e'"),
        ({"b": 1.0, "c": 1.0, "d": 1.0}, "needs a free parameter of the loss space to choose. Found all held"),
        ({"b": 100.0}, "should lie in"),
    ],
)
def test_what_is_held_is_checked(at, message):
    with pytest.raises(YotoError, match=message):
        Coordinates(MIXED, at)


def test_a_space_without_free_parameters_has_nothing_to_choose():
    with pytest.raises(YotoError, match="Found none"):
        Coordinates(LossSpace(a=1.0, b=2.0))


def test_places_and_columns_are_inverse():
    space = LossSpace(a=1.0, b=LogUniform(0.1, 10.0), mix=CORNERS.parameters["mix"].__class__("u", "v", "w"))
    coordinates = Coordinates(space)
    for lam in space.sample(20).double().tolist():
        place = coordinates.place(lam)
        assert place is not None
        torch.testing.assert_close(
            torch.tensor(coordinates.lam(*place)), torch.tensor(lam), rtol=1e-4, atol=1e-4, check_dtype=False
        )


def test_errors_and_their_slopes_about_a_large_mean():
    """Of values m + s·z at a place s: the error is that of z times s, its slope that of z."""
    z = torch.linspace(-1, 1, 10, dtype=torch.float64)
    place = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    moments = Moments(1)
    for part in z.split(4):
        moments.add(1e9 + place * part, len(part), place)
    assert moments.error == pytest.approx(0.5 * float(z.std()) / 10**0.5, rel=1e-6)
    assert moments.error_slope == pytest.approx(float(z.std()) / 10**0.5, rel=1e-6)
