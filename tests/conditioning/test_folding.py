"""Baking: every layer type folds exactly, structure stays, and what cannot fold is refused."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
LAYERS = {
    "conv1d": (nn.Conv1d(4, 6, 3, groups=2), (2, 4, 9)),
    "conv2d": (nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2), (2, 4, 9, 8)),
    "conv2d circular": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), (2, 4, 9, 8)),
    "conv3d no bias": (nn.Conv3d(4, 6, (1, 3, 2), bias=False), (2, 4, 3, 5, 4)),
    "transposed 1d": (nn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 5)),
    "transposed 2d groups": (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1), (2, 4, 5, 4)),
    "transposed 3d": (nn.ConvTranspose3d(4, 6, 2, groups=2, bias=False), (2, 4, 3, 3, 3)),
    "linear": (nn.Linear(4, 6), (2, 4)),
    "linear on sequences": (nn.Linear(4, 6, bias=False), (2, 7, 4)),
    "batch norm": (nn.BatchNorm2d(4), (2, 4, 5, 5)),
    "batch norm 1d": (nn.BatchNorm1d(4), (2, 4)),
    "group norm": (nn.GroupNorm(2, 4), (2, 4, 5, 5)),
    "layer norm": (nn.LayerNorm(4), (2, 7, 4)),
    "layer norm no bias": (nn.LayerNorm(4, bias=False), (2, 7, 4)),
    "layer norm 3 axes": (nn.LayerNorm((4, 5, 6)), (2, 4, 5, 6)),
    "instance norm": (nn.InstanceNorm2d(4, affine=True), (2, 4, 5, 5)),
}


def network(layer):
    """The layer under the name "0", with affine parameters away from their initial values."""
    net = nn.Sequential(copy.deepcopy(layer))
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    if isinstance(net[0], nn.modules.batchnorm._BatchNorm):
        net[0].running_mean.normal_()
        net[0].running_var.uniform_(0.5, 2)
    return net.eval()


def conditioned(net, **arguments):
    axis = {"0": -3} if isinstance(net[0], nn.LayerNorm) and len(net[0].normalized_shape) > 1 else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*batch norms")
        return condition(net, SPACE, multiplier=1.0, channel_axis=axis, **arguments)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_type_modulates_and_folds(kind):
    layer, shape = LAYERS[kind]
    net = network(layer)
    model = conditioned(net)
    x = torch.randn(shape)
    lam = SPACE.sample(2)
    modulation = model.modulations(lam)["0"]
    plain = net(x)
    axis = {"linear": -1, "layer": -1}.get(kind.split()[0], 1)
    axis = 1 if kind == "layer norm 3 axes" else axis
    expected = plain.movedim(axis, -1)
    middle = [1] * (plain.ndim - 2)
    expected = expected * modulation.scale.view(2, *middle, -1)
    if modulation.shift is not None:
        expected = expected + modulation.shift.view(2, *middle, -1)
    assert (modulation.shift is None) == (model.plain[0].bias is None)
    assert torch.allclose(model(x, at=lam).movedim(axis, -1), expected, atol=1e-5)
    one = model(x, at=lam[1])
    assert torch.allclose(one[1], model(x, at=lam)[1], atol=1e-5)
    baked = model.bake(lam[1], probe=x)
    assert type(baked) is type(net)
    assert {n: t.shape for n, t in baked.state_dict().items()} == {n: t.shape for n, t in net.state_dict().items()}
    assert torch.allclose(baked(x), one, atol=1e-5)
    assert not torch.allclose(baked(x), plain, atol=1e-3)


@pytest.mark.parametrize("kind", ["conv2d", "transposed 2d groups", "linear", "batch norm"])
def test_folds_are_exact_in_float64(kind):
    layer, shape = LAYERS[kind]
    model = conditioned(network(layer).double())
    x = torch.randn(shape, dtype=torch.float64)
    lam = SPACE.point(b=3.0)
    deviation = (model.bake(lam)(x) - model(x, at=lam)).abs().max()
    assert deviation < 1e-13


def test_rebaking_always_starts_from_the_plain_weights():
    model = condition(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), SPACE, multiplier=1.0)
    x = torch.randn(5, 4)
    plain = model.bake(b=0.1)
    for b in (10.0, 0.1, 3.0):
        again = model.bake(b=b, into=plain)
        assert again is plain
        assert torch.equal(plain(x), model.bake(b=b)(x))
    with torch.no_grad():
        model.plain[0].bias.fill_(7.0)
    assert torch.equal(model.bake(b=3.0, into=plain)(x), model.bake(b=3.0)(x))
    with pytest.raises(YotoError, match="`into`"):
        model.bake(b=3.0, into=nn.Sequential(nn.Linear(4, 8)))
    for own in (model.plain, model.at(b=2.0)):
        with pytest.raises(YotoError, match="`into`"):
            model.bake(b=3.0, into=own)


def test_the_original_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3))
    before = copy.deepcopy(net.state_dict())
    model = condition(net, SPACE)
    model.bake(b=2.0)
    assert all(torch.equal(before[n], t) for n, t in net.state_dict().items())
    assert all(type(m) in (nn.Sequential, nn.Conv2d, nn.ReLU) for m in net.modules())


def test_frozen_layers_stay_frozen_and_modes_stay():
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)).eval()
    net[0].requires_grad_(False)
    model = condition(net, SPACE)
    baked = model.bake(b=1.0)
    assert not model.training
    assert not baked.training
    assert [p.requires_grad for p in baked.parameters()] == [False, False, True, True]
    model(torch.randn(2, 3), at=SPACE.point(b=1.0)).sum().backward()
    assert model.plain[0].weight.grad is None
    assert all(p.grad is not None for p in model.film.parameters())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(torch.relu(self.body(self.embed(tokens))))


def test_tied_weights_are_untied_in_the_copy_with_a_warning():
    model = condition(Tied(), SPACE, multiplier=1.0)
    tokens = torch.randint(0, 7, (3, 5))
    with pytest.warns(UserWarning, match=r"head\.weight is shared"):
        baked = model.bake(b=5.0, probe=tokens)
    assert baked.head.weight is not baked.embed.weight
    assert torch.equal(baked.embed.weight, model.plain.embed.weight)
    assert model.plain.head.weight is model.plain.embed.weight


def test_a_shared_module_is_one_site():
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    model = condition(net, SPACE, multiplier=1.0)
    assert model.conditioned.names == ("0",)
    x = torch.randn(3, 4)
    baked = model.bake(b=2.0, probe=x)
    assert baked[0] is baked[2]


class Squared(nn.Linear):
    def forward(self, x):
        return (x @ self.weight.T + self.bias).square()


def test_a_layer_that_does_more_than_its_class_says_is_refused():
    with pytest.raises(YotoError, match=r"Squared.*deviates by"):
        condition(nn.Sequential(Squared(3, 4)), SPACE)


class TwoInputs(nn.Linear):
    def forward(self, x, y):
        return super().forward(x + y)


def test_a_layer_that_cannot_be_checked_is_refused():
    with pytest.raises(YotoError, match=r"TwoInputs.*could not be run"):
        condition(nn.Sequential(TwoInputs(3, 4)), SPACE)


class Padded(nn.Conv2d):
    """A subclass whose name says nothing of its dimensions."""


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Padded(3, 4, 1, padding=1, padding_mode="reflect"), (2, 3, 4, 4)),
        (nn.ConvTranspose2d(3, 4, 1, padding=1), (2, 3, 4, 4)),
        (nn.Conv1d(3, 4, 3, padding="same"), (2, 3, 5)),
        (type("Norm", (nn.InstanceNorm2d,), {})(3, affine=True), (2, 3, 4, 4)),
        (nn.RMSNorm(3), (2, 5, 3)),
    ],
)
def test_unusual_layers_fold_too(layer, shape):
    model = condition(nn.Sequential(layer), SPACE, multiplier=1.0)
    x = torch.randn(shape)
    assert torch.allclose(model.bake(b=4.0, probe=x)(x), model(x, at={"b": 4.0}), atol=1e-5)


class ReadsWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        return nn.functional.linear(x, self.layer.weight, self.layer.bias)


def test_the_probe_finds_a_weight_that_is_used_without_its_layer():
    model = condition(ReadsWeight(), SPACE, multiplier=1.0)
    with pytest.raises(YotoError, match="on the probe"):
        model.bake(b=5.0, probe=torch.randn(2, 3))


def test_per_sample_bake_is_refused():
    model = condition(nn.Sequential(nn.Linear(3, 4)), SPACE)
    with pytest.raises(YotoError, match="one λ"):
        model.bake(SPACE.sample(4))


def test_batch_norm_warns_and_recalibrates():
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 2))
    with pytest.warns(UserWarning, match="λ per sample.*mixture of all λ, which fit it: keep them"):
        model = condition(net, SPACE, multiplier=1.0)
    x = torch.randn(64, 3)
    with torch.no_grad():
        for _ in range(20):
            model(x, at=SPACE.sample(64))
    baked = model.bake(b=10.0, recalibrate=[x[:32], x[32:]])
    hidden = baked[1](baked[0](x))
    assert torch.allclose(baked[2].running_mean, hidden.mean(0), atol=1e-5)
    assert baked[2].momentum == 0.1
    assert baked.training
    with pytest.raises(YotoError, match="at least one batch"):
        model.bake(b=10.0, recalibrate=iter([]))


def test_recalibration_is_kept_where_it_is_better():
    net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    with pytest.warns(UserWarning, match="batch norms"):
        model = condition(net, SPACE, multiplier=1.0)
    x = torch.randn(64, 3)
    with torch.no_grad():
        model(x, at=SPACE.sample(64))
    old = model.bake(b=10.0)
    new = model.bake(b=10.0, recalibrate=[x])
    seen = []

    def near(wanted):
        def judge(plain):
            seen.append(plain.training)
            return (plain(x) - wanted).square().mean()

        return judge

    with torch.no_grad():
        goal, other = new.eval()(x), old.eval()(x)
    assert torch.equal(model.bake(b=10.0, recalibrate=[x], judge=near(goal)).eval()(x), goal)
    with pytest.warns(UserWarning, match=r"statistics of training are kept: the loss is 0 with them and") as said:
        kept = model.bake(b=10.0, recalibrate=[x], judge=near(other))
    assert said[0].filename == __file__
    assert kept.training
    assert torch.equal(kept.eval()(x), other)
    assert seen == [False] * 4


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.InstanceNorm2d(4)), "no affine parameters"),
        (nn.Sequential(nn.LayerNorm((4, 5))), "channel_axis"),
        (nn.Sequential(nn.LazyLinear(4)), "lazy ones, '0.weight' for one. Run the network once"),
        (nn.Sequential(nn.Linear(4, 4), nn.LazyLinear(4)), "lazy ones, '1.weight' for one. Run the network once"),
        (nn.Sequential(nn.Embedding(4, 4)), r"How Embedding may fold is tried with condition\(…, example=inputs\)"),
        (nn.Sequential(nn.ReLU()), "matched none"),
        (nn.MultiheadAttention(4, 2), "reads its weight"),
    ],
)
def test_networks_without_a_usable_layer_are_refused(net, message):
    with pytest.raises(YotoError, match=message):
        condition(net, SPACE)


def test_parametrised_layers_are_refused():
    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    with pytest.raises(YotoError, match="parametrised"):
        condition(nn.Sequential(layer), SPACE, sites=["0"])


class Complex(nn.Module):
    """Layers of complex numbers behind one of real numbers."""

    def __init__(self, dtype=torch.complex64):
        super().__init__()
        self.first = nn.Linear(4, 6, dtype=dtype.to_real())
        self.maps = nn.Conv1d(2, 3, 3, dtype=dtype)
        self.back = nn.ConvTranspose1d(3, 2, 3, bias=False, dtype=dtype)
        self.last = nn.Linear(6, 2, dtype=dtype)

    def forward(self, x):
        y = torch.complex(self.first(x), x[..., :1] * x.new_ones(6))
        return self.last(self.back(self.maps(y).tanh()))


@pytest.mark.parametrize("given", [True, False], ids=["example", "without"])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_layers_of_complex_numbers_fold(dtype, given):
    torch.manual_seed(0)
    net, x = Complex(dtype), torch.randn(3, 2, 4, dtype=dtype.to_real())
    model = condition(net, SPACE, multiplier=1.0, **({"example": x} if given else {}))
    assert model.conditioned.names == ("first", "maps", "back", "last")
    assert next(model.film.parameters()).dtype == dtype.to_real()
    lam = SPACE.sample(3)
    rows = torch.cat([model.bake(lam[i], probe=x)(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(x, at=lam), rows)
    only = condition(nn.Sequential(nn.Linear(4, 2, dtype=dtype)), SPACE)
    assert only.conditioned.names == ("0",)


def test_gradients_pass_layers_of_complex_numbers():
    torch.manual_seed(0)
    model = condition(Complex(torch.complex128), SPACE, multiplier=1.0, hidden=(4,))
    x, lam = torch.randn(2, 2, 4, dtype=torch.float64), SPACE.sample(2)
    parameters = [model.film.heads.bias, model.plain.maps.bias, model.plain.first.bias]
    assert torch.autograd.gradcheck(lambda *_: model(x, at=lam).abs().square().sum(), parameters)
