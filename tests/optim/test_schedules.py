import pytest
import torch
from torch import nn

from yoto.errors import YotoError
from yoto.optim import cosine


def rates(steps, **settings):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=2.0)
    scheduler = cosine(optimiser, steps, **settings)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return found


def test_a_rise_then_half_a_cosine():
    found = rates(101, warmup=10, final=0.1)
    assert found[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert found[10] == 2.0
    assert found[55] == pytest.approx(1.1)
    assert found[100] == pytest.approx(0.2)


@pytest.mark.parametrize(("steps", "warmup"), [(50, 5), (1000, 100), (4000, 100)])
def test_the_rise_takes_a_tenth_of_a_run_at_most(steps, warmup):
    assert rates(steps) == rates(steps, warmup=warmup)


def test_one_step_is_a_run():
    assert rates(1) == [2.0]


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 10, "warmup": -1}, {"steps": 10, "final": 1.5}])
def test_settings_out_of_range(wrong):
    with pytest.raises(YotoError, match="Found"):
        cosine(torch.optim.SGD([nn.Parameter(torch.zeros(2))]), **wrong)


def test_a_rise_of_a_broken_number_of_steps_stays_below_the_rate():
    assert max(rates(100, warmup=2.5)) == 2.0
