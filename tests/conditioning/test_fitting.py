"""How layers of unknown classes fold: tried with parameters other than those they start from."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from yoto.conditioning import condition
from yoto.conditioning.fitting import fit
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
MAPS = torch.randn(3, 8, 5, 5, generator=torch.Generator().manual_seed(0))


class NormAct(nn.BatchNorm2d):
    """A norm with its activation, a module."""

    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(super().forward(x))


class NormRelu(nn.BatchNorm2d):
    """A norm with its activation, a function."""

    def forward(self, x):
        return functional.relu(super().forward(x))


class NormPrelu(nn.BatchNorm2d):
    """A norm with an activation that has parameters."""

    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.PReLU(channels)

    def forward(self, x):
        return self.act(super().forward(x))


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    ("kind", "place"),
    [(NormAct, ("act", "")), (NormRelu, ("", "BatchNorm2d")), (NormPrelu, ("act", ""))],
)
def test_a_bias_that_is_zero_or_small_does_not_hide_an_activation(kind, place, size):
    """With a bias of 0, a positive scale goes through a ReLU: the layer would seem affine without a shift."""
    layer = fit(kind(8).eval(), [((size * MAPS,), {})])
    assert (layer.before, layer.inside) == place
    assert layer.shift


@pytest.mark.filterwarnings("ignore:condition")
@pytest.mark.parametrize("kind", [NormAct, NormRelu, NormPrelu])
def test_a_norm_with_its_activation_is_modulated_in_front_of_it_and_bakes(kind):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 8, 1), kind(8), nn.Conv2d(8, 8, 1)).eval()
    model = condition(net, SPACE, example=MAPS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    assert model.conditioned.names == ("1", "2")
    model.requires_grad_(False)
    inside = model.modulations(model.lam(b=3.0))["1"]
    head, norm = model.plain[0](MAPS), copy.deepcopy(model.plain[1])
    expected = inside(functional.batch_norm(head, norm.running_mean, norm.running_var, norm.weight, norm.bias))
    expected = norm.act(expected) if hasattr(norm, "act") else functional.relu(expected)
    bound = model.at(b=3.0)
    assert torch.allclose(bound[1](head), expected, atol=1e-6)
    assert torch.allclose(model.bake(b=3.0, probe=MAPS)(MAPS), bound(MAPS), atol=1e-5)
    again = pickle.loads(pickle.dumps(bound))
    assert torch.equal(again(MAPS), bound(MAPS))
    assert torch.equal(copy.deepcopy(bound)(MAPS), bound(MAPS))


def test_a_layer_that_uses_its_weight_elsewhere_too_does_not_fold():
    class Twice(nn.Linear):
        def forward(self, x):
            return functional.relu(super().forward(x)) * self.weight.norm()

    assert fit(Twice(8, 4), [((torch.randn(3, 8),), {})]) is None


def test_a_scale_below_zero_counts():
    class LinearRelu(nn.Linear):
        def forward(self, x):
            return functional.linear(x, self.weight).relu()

    assert fit(LinearRelu(8, 4, bias=False), [((torch.randn(3, 8),), {})]) is None


def test_a_child_that_gets_a_parameter_is_no_place_for_the_samples():
    class Divisive(nn.Module):
        """Generalised divisive normalisation: a child keeps β positive."""

        def __init__(self):
            super().__init__()
            self.beta, self.positive = nn.Parameter(torch.ones(8)), nn.Softplus()

        def forward(self, x):
            return x / (x.square().mean(1, keepdim=True) + self.positive(self.beta).view(1, -1, 1, 1)).sqrt()

    assert fit(Divisive(), [((MAPS,), {})]) is None
