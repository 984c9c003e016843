"""What an example of a network's inputs teaches `condition`: layouts of samples, odd layers, layers that never run."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

import yoto
from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Windows(nn.Module):
    """Each sample cut into windows, [B·windows, 4, C]."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        b, n, c = x.shape
        return self.layer(x.reshape(b * n // 4, 4, c)).reshape(b, n, c)


class Tiled(nn.Module):
    """The whole batch twice, [2·B, C]."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        y = self.layer(torch.cat([x, x.flip(-1)]))
        return y[: len(x)] * y[len(x) :]


class Queries(nn.Module):
    """Learned queries, the same for all samples."""

    def __init__(self, count=4):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(count, 8))
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return torch.softmax(self.query(self.queries) @ self.key(x).transpose(1, 2), -1) @ x


class SequenceFirst(nn.Module):
    """Samples along axis 1 of the inputs, along axis 0 behind the recurrent layer."""

    def __init__(self):
        super().__init__()
        self.first, self.recurrent, self.last = nn.Linear(8, 8), nn.GRU(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.recurrent(self.first(x))[0][-1])


class Siamese(nn.Module):
    """One trunk, called for two halves of the input and once for their difference, which has no length."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(4, 4)

    def forward(self, x):
        a, b = self.trunk(x[..., :4]), self.trunk(x[..., 4:])
        return self.trunk((a - b).mean(1))


class ConvLike(nn.Module):
    """A linear layer with its weight the other way round (GPT-2's)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class RootMeanSquare(nn.Module):
    """A norm that multiplies by offset + weight (Llama's, T5's; with 1 Gemma's)."""

    def __init__(self, width, offset=0.0):
        super().__init__()
        self.weight, self.offset = nn.Parameter(torch.randn(width) * 0.1 + 1 - offset), offset

    def forward(self, x):
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * (self.offset + self.weight)


class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.randn(width))

    def forward(self, x):
        return x * self.gamma


class NormAct(nn.BatchNorm2d):
    """A norm that holds its activation."""

    def __init__(self, width):
        super().__init__(width)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(super().forward(x))


class MapNorm(nn.LayerNorm):
    """A layer norm over the channels of maps, and of anything else over the last axis."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1) if x.ndim == 4 else super().forward(x)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(11, 8), nn.Linear(8, 3)

    def forward(self, ids, mask=None):
        x = self.table(ids)
        return self.head(torch.tanh(x if mask is None else x * mask[..., None]))


def maps():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), MapNorm(8), nn.Conv2d(8, 4, 1))


def activated():
    return nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), NormAct(8), nn.Conv2d(8, 4, 1))


FLAT = torch.randn(3, 8, 8)
KINDS = {
    "windows": (Windows, FLAT, {"layer"}),
    "tiled": (Tiled, FLAT[:, 0], {"layer"}),
    "learned queries": (Queries, FLAT, {"key"}),
    "as many queries as samples": (lambda: Queries(3), FLAT, {"key"}),
    "siamese": (Siamese, FLAT, {"trunk"}),
    "GPT-2": (lambda: nn.Sequential(ConvLike(8, 6), nn.Tanh(), ConvLike(6, 2)), FLAT, {"0", "2"}),
    "root mean square": (lambda: nn.Sequential(nn.Linear(8, 6), RootMeanSquare(6)), FLAT, {"0", "1"}),
    "1 + weight": (lambda: nn.Sequential(nn.Linear(8, 6), RootMeanSquare(6, 1.0)), FLAT, {"0", "1"}),
    "layer scale": (lambda: nn.Sequential(nn.Linear(8, 6), LayerScale(6)), FLAT, {"0", "1"}),
    "norm with activation": (activated, torch.randn(3, 3, 6, 7), {"1", "2"}),
    "norm of maps": (maps, torch.randn(3, 3, 8, 8), {"0", "1", "2"}),
    "tokens": (Tokens, torch.randint(0, 11, (3, 5)), {"table", "head"}),
    "tokens by name": (Tokens, {"mask": torch.ones(3, 5), "ids": torch.randint(0, 11, (3, 5))}, {"table", "head"}),
}


def made(network, example, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = condition(network(), SPACE, example=example, multiplier=0.5, **options)
    return model.double().eval()


def call(net, inputs):
    if isinstance(inputs, dict):
        return net(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()})
    return net(inputs.double() if inputs.is_floating_point() else inputs)


def one(inputs, index, axis=0):
    take = lambda t: t.narrow(axis, index, 1)  # noqa: E731
    return {k: take(v) for k, v in inputs.items()} if isinstance(inputs, dict) else take(inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lambda_per_sample_is_a_loop_over_samples(kind):
    network, example, sites = KINDS[kind]
    model = made(network, example)
    assert set(model.conditioned.names) == sites
    lam = SPACE.sample(3).double()
    together = call(model.at(lam), example)
    alone = torch.cat([call(model.at(lam[i]), one(example, i)) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    low, high = (call(model.at(b=value), example) for value in (0.1, 10.0))
    assert (low - high).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_learned_folds_and_is_saved(kind, tmp_path):
    network, example, _ = KINDS[kind]
    model = made(network, example)
    bound = call(model.at(b=0.7), example)
    torch.testing.assert_close(call(model.bake(b=0.7), example), bound, rtol=1e-9, atol=1e-9)
    yoto.save(model, tmp_path / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = yoto.load(tmp_path / "model.safetensors", net=network()).conditional
    lam = SPACE.sample(3).double()
    assert torch.equal(call(again.at(lam), example), call(model.at(lam), example))
    assert again.conditioned.names == model.conditioned.names


def test_samples_along_another_axis_of_the_inputs():
    x, lam = torch.randn(5, 3, 8), SPACE.sample(3).double()
    model = made(SequenceFirst, x, batch_dim=1)
    assert set(model.conditioned.names) == {"first", "last"}
    alone = torch.cat([call(model.at(lam[i]), one(x, i, 1)) for i in range(3)])
    torch.testing.assert_close(call(model.at(lam), x), alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("network", [Windows, Tiled, Siamese])
def test_other_batches_and_lengths_follow_the_example(network):
    shape = lambda b, n: (b, 8) if network is Tiled else (b, n, 8)  # noqa: E731
    model = made(network, torch.randn(shape(3, 8)))
    for b, n in ((5, 4), (2, 12), (4, 8)):
        x, lam = torch.randn(shape(b, n)), SPACE.sample(b).double()
        alone = torch.cat([call(model.at(lam[i]), one(x, i)) for i in range(b)])
        torch.testing.assert_close(call(model.at(lam), x), alone, rtol=1e-9, atol=1e-9)


class Frames(nn.Module):
    """Sees the frames of all samples at once."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(x.flatten(0, 1)).view(*x.shape[:2], 3)


def test_inputs_unlike_the_example_ask_for_an_example_like_them():
    model, x = condition(Frames(), SPACE, example=torch.randn(4, 1, 8)), torch.randn(4, 3, 8)
    with pytest.raises(YotoError, match=r"inputs like these \(an example given before was unlike them"):
        model(x, at=SPACE.sample(4))
    assert condition(Frames(), SPACE, example=x)(x, at=SPACE.sample(4)).shape == (4, 3, 3)


@pytest.mark.parametrize("network", [Windows, Tiled, SequenceFirst])
def test_without_an_example_the_first_call_teaches_the_layouts(network):
    x = {Windows: FLAT, Tiled: FLAT[:, 0], SequenceFirst: torch.randn(5, 3, 8)}[network]
    axis = 1 if network is SequenceFirst else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, lam = condition(network(), SPACE, multiplier=0.5).double(), SPACE.sample(3).double()
    state = torch.get_rng_state()
    together = call(model.at(lam), x)
    assert torch.equal(torch.get_rng_state(), state)
    alone = torch.cat([call(model.at(lam[i]), one(x, i, axis)) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    assert model.config["learned"]["layouts"]


def test_what_has_no_samples_asks_for_an_example():
    for count in (3, 5):
        model = condition(Queries(count), SPACE)
        with pytest.raises(YotoError, match=r"'query': its output is the same for all samples.*example="):
            model(FLAT, at=SPACE.sample(3))


def test_samples_that_are_all_alike_to_a_layer_are_samples():
    class Silent(nn.Module):
        """A fresh codec's: what the second layer gets is rounded to zero."""

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.second((0.01 * self.first(x)).round()) + x

    for options in ({}, {"example": FLAT}):
        model = condition(Silent(), SPACE, multiplier=0.5, **options).double()
        assert model.conditioned.names == ("first", "second")
        lam = SPACE.sample(3).double()
        alone = torch.cat([call(model.at(lam[i]), one(FLAT, i)) for i in range(3)])
        torch.testing.assert_close(call(model.at(lam), FLAT), alone, rtol=1e-9, atol=1e-9)


def test_the_probing_run_leaves_the_network_as_it_is():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    example, state = torch.randn(2, 3, 5, 5), torch.get_rng_state()
    with pytest.warns(UserWarning, match="batch norms"):
        model = condition(net, SPACE, example=example, hidden=())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.plain.state_dict().items())
    assert model.plain.training
    torch.set_rng_state(state)
    with pytest.warns(UserWarning, match="batch norms"):
        other = condition(net, SPACE, hidden=())
    assert all(torch.equal(a, b) for a, b in zip(model.film.parameters(), other.film.parameters(), strict=True))


def test_a_layer_whose_weight_is_read_without_a_call_is_left_out():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.layer = nn.LayerNorm(8), nn.Linear(8, 8)

        def forward(self, x):
            return functional.linear(self.norm(x), self.layer.weight, self.layer.bias)

    with pytest.warns(UserWarning, match="left out 1 Linear .*'layer'.* never runs"):
        model = condition(Reads(), SPACE, example=FLAT, multiplier=0.5)
    assert model.conditioned.names == ("norm",)
    model.bake(b=3.0, probe=FLAT)
    with pytest.raises(YotoError, match=r"'layer' cannot be conditioned: it never runs"):
        condition(Reads(), SPACE, example=FLAT, sites=["layer"])


class Keeper:
    """Keeps a layer where no copy is led to another one."""

    def __init__(self, layer):
        self.layer = layer

    def __call__(self, x):
        return self.layer(x) + 0


def test_a_layer_that_only_an_object_reaches_is_told():
    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 2)
            self.run = Keeper(self.layer)

        def forward(self, x):
            return self.run(x)

    with pytest.raises(YotoError, match="its weight is read elsewhere"):
        condition(Kept(), SPACE, example=FLAT)
    model = condition(Kept(), SPACE)
    with pytest.warns(UserWarning, match="λ does not reach 'layer'"):
        model(FLAT, b=1.0)


def test_a_layer_whose_forward_is_called_directly_is_reached_without_a_warning(recwarn):
    class Direct(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 2)

        def forward(self, x):
            return self.layer.forward(x)

    model = condition(Direct(), SPACE, multiplier=1.0)
    low, high = (copy.deepcopy(model)(FLAT, b=value) for value in (0.2, 5.0))
    assert not recwarn
    assert not torch.equal(low, high)


def test_odd_layers_do_not_refuse_a_network():
    class Squared(nn.Linear):
        def forward(self, x):
            return functional.linear(x, self.weight, self.bias).square()

    net = nn.Sequential(Squared(8, 4), Squared(4, 4), nn.Linear(4, 2))
    with pytest.warns(UserWarning, match=r"left out 2 Squared \('0': its folded form deviates"):
        assert condition(net, SPACE).conditioned.names == ("2",)
    with pytest.raises(YotoError, match="'0' .*deviates"):
        condition(net, SPACE, sites=["0", "2"])
    assert condition(net, SPACE, exclude=Squared).conditioned.names == ("2",)
    with pytest.raises(YotoError, match="a type or a list of types"):
        condition(net, SPACE, exclude=["0"])


def test_a_norm_in_float32_is_measured_as_one():
    class Single(nn.LayerNorm):
        def forward(self, x):
            weight, bias = self.weight.float(), self.bias.float()
            return functional.layer_norm(x.float(), self.normalized_shape, weight, bias, self.eps).to(x.dtype)

    assert condition(nn.Sequential(nn.Linear(8, 8), Single(8)), SPACE).conditioned.names == ("0", "1")


class Lists(nn.Module):
    def __init__(self, lists):
        super().__init__()
        convs = [nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(3)]
        norms = [nn.BatchNorm2d(8) for _ in range(3)]
        if lists:
            self.convs, self.norms = nn.ModuleList(convs), nn.ModuleList(norms)
        else:
            self.conv0, self.conv1, self.conv2, self.act, self.norm0, self.norm1, self.norm2 = (
                *convs, nn.ReLU(), *norms,
            )  # fmt: skip

    def forward(self, x):
        pairs = zip(self.convs, self.norms, strict=True) if hasattr(self, "convs") else (
            (self.conv0, self.norm0), (self.conv1, self.norm1), (self.conv2, self.norm2),
        )  # fmt: skip
        for conv, norm in pairs:
            x = torch.relu(norm(conv(x)))
        return x


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("example", [None, torch.randn(2, 8, 5, 5)])
def test_no_site_stands_in_front_of_a_norm(lists, example):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = condition(Lists(lists), SPACE, example=example)
    assert all("norm" in name for name in model.conditioned.names)
    assert len(model.sites) == 3


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (torch.randn(1, 8), "at least two samples along axis 0"),
        (torch.randn(2, 5), "should run on `example`"),
        ((), "at least two samples"),
    ],
)
def test_examples_that_show_nothing_are_refused(example, expected):
    with pytest.raises(YotoError, match=expected):
        condition(nn.Sequential(nn.Linear(8, 2)), SPACE, example=example)


def test_both_errors_are_told_of_a_network_that_fails_otherwise_in_float64():
    class Single(nn.Linear):
        def forward(self, x):
            if x.dtype == torch.float64:
                raise ValueError("x is no angle")
            return super().forward(x)

    expected = r"Found ValueError: x is no angle \(in float64\), RuntimeError: mat1 .* \(in its own type\)"
    with pytest.raises(YotoError, match=expected):
        condition(nn.Sequential(Single(8, 2)), SPACE, example=torch.randn(2, 5))


class Forces(nn.Module):
    """The slope of an energy at inputs that ask for a gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x):
        energy = self.last(self.first(x).tanh()).sum()
        return torch.autograd.grad(energy, x, create_graph=torch.is_grad_enabled())[0]


@pytest.mark.parametrize("given", [True, False])
def test_inputs_that_ask_for_a_gradient_keep_asking(given):
    x = torch.randn(5, 8, requires_grad=True)
    model = condition(Forces(), SPACE, example=x if given else None)
    assert model.conditioned.names == ("first", "last")
    assert model(x, at=SPACE.grid(5)).shape == x.shape
    assert model.checked


def test_recurrent_layers_say_what_to_condition_instead():
    with pytest.raises(YotoError, match=r"LSTM.*condition a layer that takes its output"):
        condition(nn.LSTM(8, 8), SPACE)
    with pytest.warns(UserWarning, match=r"left out 1 GRU \('1'.*a linear layer behind it"):
        assert condition(nn.Sequential(nn.Linear(8, 8), nn.GRU(8, 8)), SPACE).conditioned.names == ("0",)


def test_networks_that_cannot_be_copied_are_refused_in_one_line():
    import threading

    net = nn.Sequential(nn.Linear(8, 2))
    net.lock = threading.Lock()
    with pytest.raises(YotoError, match=r"should be copyable.*lock"):
        condition(net, SPACE)
    with torch.device("meta"):
        empty = nn.Linear(8, 2)
    with pytest.raises(YotoError, match="meta device"):
        condition(empty, SPACE)


def test_packed_sequences_stay_sorted_while_they_are_probed():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.steps, self.last = nn.Linear(4, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 2)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(self.before(x), lengths, batch_first=True)
            return self.last(self.steps(packed)[1][0][-1])

    x, lengths = torch.randn(3, 6, 4), torch.tensor([6, 4, 3])
    with pytest.warns(UserWarning, match="left out 1 LSTM"):
        model = condition(Packed(), SPACE, example=(x, lengths))
    lam = SPACE.sample(3)
    rows = [model(x[i : i + 1], lengths[i : i + 1], at=lam[i]) for i in range(3)]
    torch.testing.assert_close(model(x, lengths, at=lam), torch.cat(rows))


def test_a_network_that_refuses_a_neighbours_sample_is_told():
    class Rising(nn.Linear):
        def forward(self, x):
            if (x[:, 0].diff() <= 0).any():
                raise ValueError("rows should rise")
            return super().forward(x)

    with pytest.raises(
        YotoError, match=r"with a sample in its neighbour's place too\. Found ValueError: rows should rise"
    ):
        condition(Rising(2, 2), SPACE, example=torch.tensor([[0.0, 9], [9, 9]]))


class InPlace(nn.Module):
    """Normalises its inputs where they are."""

    def __init__(self):
        super().__init__()
        self.layer, self.last = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.layer(x.sub_(1.0).div_(2.0)).relu_())


@pytest.mark.parametrize("given", [True, False], ids=["example", "first-call"])
def test_a_network_may_change_its_inputs_in_place(given):
    torch.manual_seed(0)
    x = torch.randn(4, 8)
    kept = x.clone()
    model = condition(InPlace(), SPACE, **({"example": x} if given else {}), multiplier=1.0)
    assert torch.equal(x, kept)
    assert model.conditioned.names == ("layer", "last")
    lam = SPACE.sample(4)
    rows = [model.bake(lam[i], probe=x)(x[i : i + 1].clone()) for i in range(4)]
    assert torch.equal(x, kept)
    torch.testing.assert_close(model(x.clone(), at=lam), torch.cat(rows))


class Moved(nn.Module):
    """Runs its first layer on the batch in another order."""

    def __init__(self, order):
        super().__init__()
        self.layer, self.last, self.order = nn.Linear(8, 8), nn.Linear(8, 3), order

    def forward(self, x):
        order = self.order(x)
        return self.last(self.layer(x[order]).tanh()[order.argsort()])


def test_a_batch_in_another_order_is_noticed():
    backwards = lambda x: torch.arange(len(x)).flip(0)  # noqa: E731
    model = condition(Moved(backwards), SPACE)
    model(FLAT, b=1.0)
    with pytest.raises(YotoError, match="layer 'layer': its output holds the samples of a batch in another order"):
        model(FLAT, at=SPACE.sample(len(FLAT)))
    with pytest.warns(UserWarning, match="'layer': its output holds the samples of a batch in another order"):
        assert condition(Moved(backwards), SPACE, example=FLAT).conditioned.names == ("last",)


def test_layers_that_mix_the_samples_are_told_at_the_first_call():
    class Mixing(nn.Linear):
        def forward(self, x):
            return super().forward(x - x.mean(0))

    x = torch.randn(4, 8)
    with pytest.warns(UserWarning, match="'0': its output mixes the samples of a batch. With a λ per sample, entry i"):
        condition(nn.Sequential(Mixing(8, 8)), SPACE)(x, at=SPACE.sample(4))


def test_a_call_at_one_lambda_leaves_the_next_to_show_the_samples():
    model = condition(Windows(), SPACE, multiplier=1.0)
    x, lam = torch.randn(3, 16, 8), SPACE.sample(3)
    model(x, b=1.0)
    rows = torch.cat([model(x[i : i + 1], at=lam[i]) for i in range(3)])
    torch.testing.assert_close(model(x, at=lam), rows)


@pytest.mark.parametrize("given", [True, False], ids=["example", "first-call"])
def test_a_forward_may_be_a_generator(given):
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x):
            for _ in range(3):
                x = self.layer(x).tanh()
                yield x

    model = condition(Steps(), SPACE, multiplier=1.0, **({"example": FLAT} if given else {}))
    assert model.conditioned.names == ("layer",)
    lam = SPACE.sample(len(FLAT))
    rows = [list(model.bake(each, probe=FLAT)(FLAT[i : i + 1]))[-1] for i, each in enumerate(lam)]
    torch.testing.assert_close(list(model(FLAT, at=lam))[-1], torch.cat(rows))
