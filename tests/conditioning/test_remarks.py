"""What is said about layers that are not conditioned, and what would help."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class OwnLinear(nn.Module):
    """A linear layer of a class of its own."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outputs, inputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight.T + self.bias


def test_layers_of_unknown_classes_are_named_with_what_would_help():
    net = nn.Sequential(OwnLinear(8, 8), nn.ReLU(), OwnLinear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    said = r"1 of 3 layers are conditioned \(11 % of the parameters\); how 2 OwnLinear may fold"
    with pytest.warns(UserWarning, match=said):
        assert condition(net, SPACE).conditioned.names == ("4",)
    assert condition(net, SPACE, example=torch.randn(3, 8)).conditioned.names == ("0", "2", "4")
    with pytest.raises(YotoError, match=r"How OwnLinear may fold is tried with condition\(…, example=inputs\)"):
        condition(net[:4], SPACE)


@pytest.mark.filterwarnings("ignore:.*has batch norms")
def test_layers_in_front_of_a_conditioned_norm_count():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.InstanceNorm2d(4), nn.PReLU())
    with pytest.warns(UserWarning, match=r"2 of 4 layers are conditioned \(24 % .*left out 1 InstanceNorm2d"):
        assert condition(net, SPACE).conditioned.names == ("1",)


def test_baking_notices_that_no_conditioned_layer_runs():
    class Keeper:
        def __init__(self, layer):
            self.layer = layer

        def __call__(self, x):
            return torch.zeros(len(x), 4)

    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.function = Keeper(self.layer)

        def forward(self, x):
            return self.function(x)

    with pytest.raises(YotoError, match="none of the 1 conditioned layers runs as a layer of the bound network"):
        condition(Kept(), SPACE).bake(b=1.0, probe=torch.randn(2, 4))


def test_parameters_outside_of_layers_are_told_where_to_go():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList([torch.randn(8, 4), torch.randn(2, 8)])

        def forward(self, x):
            return torch.relu(x @ self.weights[0].T) @ self.weights[1].T

    with pytest.raises(YotoError, match=r"outside of layers .* put them into modules, such as torch\.nn\.Linear"):
        condition(Bare(), SPACE, example=torch.randn(3, 4))


class Adapted(nn.Linear):
    """Adds a product of low rank to its weight, which no scale of the weight alone takes along."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.a, self.b = nn.Parameter(torch.randn(outputs, 2)), nn.Parameter(torch.randn(2, inputs))

    def forward(self, x):
        return nn.functional.linear(x, self.weight + self.a @ self.b, self.bias)


@pytest.mark.parametrize("example", [None, torch.randn(3, 8)], ids=["without", "example"])
def test_what_does_not_fold_is_not_offered(example):
    net = nn.Sequential(Adapted(8, 8), nn.ReLU(), Adapted(8, 2))
    with pytest.raises(YotoError, match="Refused: '0'") as refused:
        condition(net, SPACE, example=example)
    assert "Layers that can be" not in str(refused.value)
    assert "Without `example`" not in str(refused.value)
