"""Choosing by eye: scripted eyes."""

import random

import pytest

from yoto import Choice, LogUniform, LossSpace, Simplex
from yoto.curves.selection.asking import ALONE, EACH, Bisection, Interview
from yoto.curves.selection.coordinates import Coordinates


@pytest.mark.parametrize("favourite", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_seven_honest_answers_come_close(favourite):
    search = Bisection()
    for _ in range(ALONE):
        first, second = search.pair()
        assert 0 <= first < second <= 1
        search.answer("first" if abs(first - favourite) < abs(second - favourite) else "second")
    assert abs(search.favourite() - favourite) < 0.08


def test_a_slip_is_forgiven():
    """One wrong answer in twelve, wherever it falls, costs little."""
    worst = 0.0
    for wrong in range(5):
        search = Bisection()
        for number in range(12):
            first, second = search.pair()
            nearer = abs(first - 0.3) < abs(second - 0.3)
            search.answer("first" if nearer != (number == wrong) else "second")
        worst = max(worst, abs(search.favourite() - 0.3))
    assert worst < 0.15


def test_no_difference_means_the_middle():
    search = Bisection()
    before = search.width()
    search.answer("same")
    assert search.width() < before
    assert search.favourite() == pytest.approx(0.5)


def eye(target):
    """Prefers the nearer of two λ in logs."""
    from math import log

    def away(lam):
        return sum((log(max(a, 1e-3)) - log(max(b, 1e-3))) ** 2 for a, b in zip(lam, target, strict=True))

    return lambda first, second: "first" if away(first) < away(second) else "second"


def test_several_parameters_one_at_a_time_and_names_by_knock_out():
    space = LossSpace(
        fit=1.0, size=LogUniform(0.1, 10.0), bend=LogUniform(0.1, 10.0), style=Choice("waves", "stars", "mill")
    )
    interview = Interview(Coordinates(space))
    assert interview.total == 2 * EACH + 2
    target = (1.0, 0.5, 5.0, 0.0, 0.0, 1.0)
    prefers, count = eye(target), 0
    for first, second in interview:
        interview.answer(prefers(first, second))
        count += 1
    assert count == interview.total
    assert interview.lam[3:] == target[3:]
    assert interview.lam[1] == pytest.approx(0.5, rel=0.6)
    assert interview.lam[2] == pytest.approx(5.0, rel=0.6)


def test_a_simplex_is_asked_about_by_its_ratios():
    interview = Interview(Coordinates(LossSpace(mix=Simplex("a", "b", "c"))))
    draw = random.Random(0)
    assert interview.total == 2 * EACH
    for first, second in interview:
        assert sum(first) == pytest.approx(1, abs=1e-5)
        assert sum(second) == pytest.approx(1, abs=1e-5)
        interview.answer(draw.choice(["first", "second", "same"]))
