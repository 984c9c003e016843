import math
from itertools import pairwise

import pytest

from training.toy import settings
from yoto.training.schedules import learning_rate_factor


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
