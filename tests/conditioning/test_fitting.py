"""How layers of unknown classes fold: tried with parameters other than those they start from."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from yoto.conditioning import condition
from yoto.conditioning.fitting import fit
from yoto.errors import YotoError
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


class LowRank(nn.Linear):
    """A linear layer with a product of two small matrices beside it, one of which starts at zero."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.a, self.b = nn.Parameter(torch.randn(2, inputs)), nn.Parameter(torch.zeros(outputs, 2))

    def beside(self, x):
        return x @ self.a.T @ self.b.T

    def forward(self, x):
        return super().forward(x) + self.beside(x)


class LowRankPlain(LowRank):
    """The same, nowhere in the way of torch's `forward`."""

    def forward(self, x):
        return functional.linear(x, self.weight, self.bias) + self.beside(x)


class LowRankMerged(LowRankPlain):
    """The same, merged into the weight in evaluation mode."""

    def beside(self, x):
        return super().beside(x) if self.training else 0

    def train(self, mode=True):
        if mode != self.training:
            self.weight.data += (-1 if mode else 1) * self.b @ self.a
        return super().train(mode)


class LowRankChild(nn.Linear):
    """The same with a child for it."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.child = nn.Linear(inputs, outputs)
        nn.init.zeros_(self.child.weight)
        nn.init.zeros_(self.child.bias)

    def forward(self, x):
        return functional.linear(x, self.weight, self.bias) + self.child(x)


class NoisyLinear(nn.Linear):
    """Noise on its weight in training."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.size = nn.Parameter(torch.full((outputs, inputs), 0.5))

    def forward(self, x):
        noise = self.size * torch.randn_like(self.size) if self.training else 0
        return functional.linear(x, self.weight + noise, self.bias)


@pytest.mark.parametrize("example", [None, torch.randn(5, 6, generator=torch.Generator().manual_seed(0))])
@pytest.mark.parametrize("kind", [LowRankPlain, LowRankMerged, LowRankChild, NoisyLinear])
def test_parameters_that_do_nothing_yet_count(kind, example):
    net = nn.Sequential(kind(6, 8), nn.Tanh(), nn.Linear(8, 3))
    with pytest.warns(UserWarning, match=rf"left out 1 {kind.__name__} \('0': its folded form deviates"):
        model = condition(net, SPACE, example=example)
    assert "0" not in model.conditioned.names
    with pytest.raises(YotoError, match="cannot be conditioned: its folded form deviates"):
        condition(net, SPACE, sites=["0"])


@pytest.mark.parametrize("example", [None, torch.randn(5, 6, generator=torch.Generator().manual_seed(0))])
def test_what_torchs_layer_gives_is_modulated_where_more_is_added_to_it(example):
    torch.manual_seed(0)
    model = condition(nn.Sequential(LowRank(6, 8), nn.Tanh(), LowRank(8, 3)), SPACE, example=example)
    assert [site.layer.inside for site in model.sites] == ["Linear", "Linear"]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    model.bake(b=3.0, probe=torch.randn(5, 6))


def test_a_norm_around_a_projection_that_starts_at_zero_is_no_fault_of_others():
    class Adaptive(nn.LayerNorm):
        def __init__(self, channels):
            super().__init__(channels)
            self.values = nn.Linear(2, 2 * channels)
            nn.init.zeros_(self.values.weight)
            nn.init.zeros_(self.values.bias)

        def forward(self, x, t):
            gain, shift = self.values(t).chunk(2, -1)
            return super().forward(x) * (1 + gain) + shift

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.norm, self.tail = nn.Linear(6, 4), Adaptive(4), nn.Linear(4, 3)

        def forward(self, x, t):
            return self.tail(self.norm(self.head(x), t).relu())

    model = condition(Net(), SPACE, example=(torch.randn(5, 6), torch.randn(5, 2)))
    assert model.conditioned.names == ("head", "norm", "norm.values", "tail")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    model.bake(b=3.0, probe=(torch.randn(5, 6), torch.randn(5, 2)))


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


class Pair(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight), self.bias


class Pairs(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pair = Pair(channels, channels)

    def forward(self, x):
        output, bias = self.pair(x)
        return output + bias


class MapsOnly(nn.GroupNorm):
    def __init__(self, channels):
        super().__init__(2, channels)

    def forward(self, x):
        x.mean((2, 3))
        return super().forward(x)


class TokensOnly(nn.Linear):
    def __init__(self, channels):
        super().__init__(channels, channels)

    def forward(self, x):
        assert x.ndim == 3, "tokens please"
        return super().forward(x)


class Context(nn.Linear):
    def __init__(self, channels):
        super().__init__(channels, channels)

    def forward(self, x):
        return super().forward(x) * {}["gain"] if self.weight.dtype == torch.float64 else super().forward(x)


@pytest.mark.parametrize(
    ("kind", "x", "raised", "known"),
    [
        (Pairs, torch.randn(3, 8), "TypeError: it gives a tuple", False),
        (TokensOnly, torch.randn(3, 2, 8), "AssertionError: tokens please", True),
        (Context, torch.randn(3, 8), "KeyError: 'gain'", False),
    ],
)
def test_a_layer_may_raise_anything_on_an_input_that_is_not_its_own(kind, x, raised, known):
    net = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), kind(8))
    with pytest.warns(UserWarning, match=rf"left out 1 \w+ \('2.*it could not be run .*\({raised}"):
        assert condition(net, SPACE).conditioned.names == ("0",)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if known else "ignore")
        model = condition(net, SPACE, example=x)
    assert model.conditioned.names == (("0", "2") if known else ("0",))
    model.bake(b=3.0, probe=x)


@pytest.mark.parametrize("example", [None, MAPS])
def test_a_norm_that_takes_maps_alone_is_tried_on_maps(example):
    assert condition(nn.Sequential(MapsOnly(8)), SPACE, example=example).conditioned.names == ("0",)
