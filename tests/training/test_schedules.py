import math
from itertools import pairwise

import pytest

from training.toy import settings
from yoto.training.schedules import knots_at, learning_rate_factor


def test_cosine_with_warm_up():
    factors = [learning_rate_factor(step, settings(steps=101, warmup=10, final=0.1)) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.55)
    assert factors[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in pairwise(factors[10:]))


def test_steps_of_the_paper():
    paper = settings(steps=12, schedule="steps", milestones=[6, 8, 10], decay=0.5, warmup=0)
    factors = [learning_rate_factor(step, paper) for step in range(12)]
    assert factors == [1] * 6 + [0.5] * 2 + [0.25] * 2 + [0.125] * 2


def test_constant():
    assert learning_rate_factor(7, settings(schedule="constant", warmup=0)) == 1.0


@pytest.mark.parametrize("schedule", ["cosine", "steps", "constant"])
def test_a_run_shorter_than_its_warm_up(schedule):
    assert learning_rate_factor(0, settings(steps=1, schedule=schedule, warmup=100)) == pytest.approx(0.01)
    assert math.isfinite(learning_rate_factor(0, settings(steps=1, schedule=schedule, warmup=0)))


def test_knots_are_joined_by_lines_from_first_to_last_step():
    assert [knots_at(step, 5, [4.0, -1.0]) for step in (0, 2, 4)] == pytest.approx([4.0, 1.5, -1.0])
    assert [knots_at(step, 9, [0.0, 0.0, 1.0]) for step in (0, 3, 4, 6, 8)] == pytest.approx([0, 0, 0, 0.5, 1])
    assert knots_at(0, 1, (2.0, 0.0)) == 2.0
