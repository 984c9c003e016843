"""Pickles made when the modules had other names; conditional.pickle is one of them."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from yoto.conditioning import Conditional
from yoto.conditioning.binding import FiLMSite
from yoto.conditioning.film import ConditioningNetwork
from yoto.space import LossSpace

FILE = Path(__file__).parents[1] / "data" / "conditional.pickle"


@pytest.fixture(scope="module")
def stored():
    return pickle.loads(FILE.read_bytes())


def test_a_bound_network_of_old_gives_its_outputs(stored):
    bound = stored["bound"]
    assert isinstance(bound[1], nn.GroupNorm)
    assert isinstance(bound[1], FiLMSite)
    with torch.no_grad():
        torch.testing.assert_close(bound(stored["x"]), stored["out"])


def test_a_conditional_network_of_old_goes_on(stored):
    model, at = stored["model"], stored["at"]
    assert type(model) is Conditional
    assert type(model.space) is LossSpace
    with torch.no_grad():
        torch.testing.assert_close(model(stored["x"], at=at), stored["out"])
        torch.testing.assert_close(model.bake(at, probe=stored["x"])(stored["x"]), stored["out"], atol=1e-5, rtol=1e-5)
    again = pickle.loads(pickle.dumps(model))
    assert b"yoto.film" not in pickle.dumps(model)
    assert again.space == LossSpace.from_dict(model.space.to_dict())
    assert isinstance(stored["separate"].film, ConditioningNetwork)
    assert stored["separate"](torch.zeros(2, 3), at={"kl": 1.0}).shape == (2, 2)
