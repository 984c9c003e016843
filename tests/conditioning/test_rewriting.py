"""Networks that make layers or parameters when they run, which every bound network would make anew."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Late(nn.Module):
    def __init__(self, parameter=False):
        super().__init__()
        self.first, self.last, self.parameter = nn.Linear(3, 4), None, parameter

    def forward(self, x):
        x = self.first(x)
        if self.parameter:
            if not hasattr(self, "gain"):
                self.gain = nn.Parameter(torch.ones(4))
            return x * self.gain
        if self.last is None:
            self.last = nn.Linear(x.shape[1], 2)
        return self.last(x)


@pytest.mark.parametrize("samples", [1, 3], ids=["one λ", "a λ per sample"])
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_the_first_call_says_to_run_the_network_before(samples, training):
    x, model = torch.rand(3, 3), condition(Late(), SPACE).train(training)
    with pytest.raises(YotoError, match=r"makes 'last\.weight' as it runs: run the network once"):
        model(x, at=SPACE.sample(3) if samples > 1 else {"b": 0.3})
    net = Late()
    net(x)
    condition(net, SPACE)(x, at=SPACE.sample(3))


@pytest.mark.parametrize("parameter", [False, True])
def test_an_example_says_so_too(parameter):
    with pytest.raises(YotoError, match=r"makes '(last\.weight|gain)' as it runs: run the network once"):
        condition(Late(parameter), SPACE, example=torch.rand(3, 3))
