"""`condition` and `Conditional`: which layers, which λ, and that the network really depends on it."""

import copy
import functools
import gc
import pickle
import re
import weakref
from typing import NamedTuple

import pytest
import torch
from torch import nn

import yoto
from yoto.conditioning import bind, condition
from yoto.conditioning.film import ConditioningNetwork
from yoto.errors import YotoError
from yoto.export import export
from yoto.space import Choice, LogUniform, LossSpace, Simplex, Uniform

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(2, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))) + self.skip(x)


class Output(NamedTuple):
    image: torch.Tensor
    code: torch.Tensor


class Auto(nn.Module):
    """Several inputs, several outputs, keyword arguments, further methods."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, 4), Block(4, 4)])
        self.code = nn.Linear(4, 3)
        self.back = nn.Linear(3, 1)
        self.calls = 0

    def encode(self, x):
        for block in self.blocks:
            x = block(x)
        return self.code(x.mean((2, 3)))

    def forward(self, x, mask=None, *, gain=1.0):
        code = self.encode(x) * gain
        image = self.back(code)[:, :, None, None] * (x if mask is None else x * mask)
        return Output(image, code)


def test_the_rule_takes_every_layer_but_those_with_a_norm_behind():
    model = condition(Auto(), SPACE)
    assert model.conditioned.names == (
        "blocks.0.norm", "blocks.0.skip", "blocks.1.norm", "blocks.1.skip", "code", "back",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sites", "names"),
    [
        (r"blocks\.\d\.conv", ("blocks.0.conv", "blocks.1.conv")),
        (nn.Linear, ("code", "back")),
        ([nn.Linear, nn.GroupNorm], ("blocks.0.norm", "blocks.1.norm", "code", "back")),
        (["back", "blocks.0.conv"], ("blocks.0.conv", "back")),
    ],
)
def test_sites_by_pattern_type_and_name_in_the_networks_order(sites, names):
    assert condition(Auto(), SPACE, sites=sites).conditioned.names == names


def test_exclude():
    assert condition(Auto(), SPACE, exclude=r"blocks.*").conditioned.names == ("code", "back")


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ("cod", r"'cod' matched none\. Did you mean 'code'"),
        ("(", "regular expression"),
        (["blocks.0.con"], "Did you mean 'blocks.0.con"),
        (["blocks.0"], "cannot be conditioned: Block is not affine"),
        (nn.Conv3d, "matched none"),
        ([], "matched none"),
    ],
)
def test_an_empty_match_names_near_misses(sites, message):
    with pytest.raises(YotoError, match=message):
        condition(Auto(), SPACE, sites=sites)


def test_the_table_counts_what_is_added():
    model = condition(Auto(), SPACE, hidden=(16,))
    table = str(model.conditioned)
    added = sum(p.numel() for p in model.film.parameters())
    assert f"{added:,} (+" in table
    assert re.search(r"code\s+Linear\s+3\s+scale, shift\s+102", table)  # 2·3 outputs of 16 + 1 weights
    assert sum(model.conditioned.added) + model.conditioned.trunk == added


@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize("multiplier", [0.1, 0.01])
def test_the_start_is_near_the_plain_network(layout, multiplier):
    net = Auto()
    model = condition(net, SPACE, layout=layout, multiplier=multiplier, hidden=(64,))
    for modulation in model.modulations(SPACE.sample(32)).values():
        assert (modulation.scale - 1).abs().max() < 6 * multiplier
        assert modulation.shift.abs().max() < 6 * multiplier
    x = torch.randn(4, 1, 6, 6)
    expected = net(x).code
    assert (model(x, at=SPACE.sample(4)).code - expected).abs().max() < 40 * multiplier * expected.abs().max()


def test_per_sample_equals_one_at_a_time_and_every_method_acts_at_lambda():
    model = condition(Auto(), SPACE, multiplier=0.5)
    x, mask, lam = torch.randn(4, 1, 6, 6), torch.rand(4, 1, 6, 6), SPACE.sample(4)
    out = model(x, mask, at=lam, gain=2.0)
    assert isinstance(out, Output)
    for i in range(4):
        alone = model(x[i : i + 1], mask[i : i + 1], at=lam[i], gain=2.0)
        assert torch.allclose(out.image[i], alone.image[0], atol=1e-5)
        assert torch.allclose(out.code[i], alone.code[0], atol=1e-5)
    bound = model.at(lam)
    assert isinstance(bound, Auto)
    assert torch.equal(bound.encode(x) * 2.0, out.code)
    named = model.at(b=float(lam[0, 1])).encode(x)
    assert torch.allclose(named[0], bound.encode(x)[0], atol=1e-5)
    assert torch.equal(bind(model, lam).encode(x), bound.encode(x))
    assert bind(model.plain, lam) is model.plain


def test_outputs_change_with_lambda_and_the_conditioning_network_learns():
    model = condition(Auto(), SPACE)
    x = torch.randn(4, 1, 6, 6)
    low, high = (model(x, at={"b": b}).code for b in (0.1, 10.0))
    assert (low - high).abs().max() > 1e-3
    model(x, at=SPACE.sample(4)).image.square().sum().backward()
    for name, parameter in model.film.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_gradients_of_the_parameters_equal_those_of_the_written_out_network():
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    model = condition(net, SPACE, multiplier=0.5, fourier=0)
    x, lam = torch.randn(6, 3, dtype=torch.float64), SPACE.sample(6).double()
    model(x, at=lam).square().sum().backward()
    found = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    values = model.film(SPACE.encode(lam))
    hidden = torch.tanh(model.plain[0](x) * values[0][0] + values[0][1])
    (model.plain[2](hidden) * values[1][0] + values[1][1]).square().sum().backward()
    for a, b in zip(found, [p.grad for p in model.parameters()], strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_paper_layout():
    space = LossSpace(kl=LogUniform(0.125, 512), reconstruction=LogUniform(0.999, 1.001))
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3))
    model = condition(net, space, layout="separate", hidden=(512,), raw=True, multiplier=0.01)
    assert len(model.film.mlps) == 4
    assert model.film.first.weight.shape == (4, 2, 512)
    # two MLPs (2 → 512 → C) for each layer, as counted from the published code
    assert sum(p.numel() for p in model.film.parameters()) == 4 * (2 + 1) * 512 + 2 * (512 + 1) * (16 + 32)
    lam = space.point(kl=8.0, reconstruction=1.0)
    encoded = space.encode(lam, raw=True)
    assert encoded.tolist() == pytest.approx([2.0794415, 0.0], abs=1e-6)
    assert model.conditioned.trunk == 0
    scale = 1 + 0.01 * model.film.mlps[0](model.film.first(encoded)[0])
    hidden = encoded @ model.film.first.weight[1] + model.film.first.bias[1, 0]
    shift = 0.01 * model.film.mlps[1](torch.nn.functional.leaky_relu(hidden, 0.2))
    assert torch.allclose(model.modulations(lam)["0"].shift, shift, atol=1e-7)
    assert torch.allclose(model.modulations(lam)["0"].scale, scale)


@pytest.mark.parametrize("skip", [False, True])
def test_exponential_gains_are_positive_and_bake(skip):
    model = condition(Auto(), SPACE, gain="exponential", skip=skip, multiplier=3.0, fourier=1)
    x = torch.randn(2, 1, 5, 5)
    values = model.film(SPACE.encode(SPACE.point(b=0.3), 1))
    assert all((scale > 0).all() for scale, _ in values)
    baked = model.bake(b=0.3, probe=x)
    assert torch.allclose(baked(x).image, model(x, at={"b": 0.3}).image, rtol=1e-4, atol=1e-5)
    again = condition(Auto(), SPACE, **model.config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x, at={"b": 2.0}).code, model(x, at={"b": 2.0}).code)


def test_a_skip_adds_the_encoding_to_the_heads_alone():
    plain, skipping = (condition(Auto(), SPACE, skip=skip, fourier=0) for skip in (False, True))
    extra = skipping.film.heads.in_features - plain.film.heads.in_features
    assert extra == SPACE.encoded_size()
    lam = SPACE.sample(3)
    features = torch.cat([skipping.film.trunk(SPACE.encode(lam)), SPACE.encode(lam)], dim=1)
    expected = 1 + 0.1 * skipping.film.heads(features)[:, :4]
    assert torch.allclose(skipping.film(SPACE.encode(lam))[0][0], expected)


def test_batch_dim_and_its_refusal():
    net = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0)
    model = condition(net, SPACE, batch_dim=1, multiplier=0.5)
    assert set(model.conditioned.names) == {"linear1", "linear2", "norm1", "norm2", "norm3"}
    target, memory, lam = torch.randn(5, 3, 8), torch.randn(4, 3, 8), SPACE.sample(3)
    out = model(target, memory, at=lam)
    for i in range(3):
        assert torch.allclose(out[:, i], model(target[:, i : i + 1], memory[:, i : i + 1], at=lam[i])[:, 0], atol=1e-5)
    forgotten = condition(net, SPACE, multiplier=0.5)
    forgotten.load_state_dict(model.state_dict())
    assert torch.allclose(forgotten(target, memory, at=lam), out, atol=1e-5)  # the first call shows the axis
    assert forgotten(target, memory, at=lam[0]).shape == (5, 3, 8)
    with pytest.raises(YotoError, match="samples in dimension 0"):
        condition(nn.Sequential(nn.Linear(3, 3)), SPACE)(torch.randn(1, 3), at=lam)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("padded", [False, True])
def test_transformer_encoders_call_their_layers_where_torch_has_a_fast_path(padded):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.TransformerEncoder(layer, 2).eval()
    model = condition(net, SPACE, multiplier=0.5).eval()
    assert model.conditioned.names == tuple(
        f"layers.{i}.{name}" for i in range(2) for name in ("linear1", "linear2", "norm1", "norm2")
    )
    with pytest.raises(YotoError, match="reads its weight"):
        condition(net, SPACE, sites=["layers.0.self_attn.out_proj"])
    x, lam = torch.randn(3, 5, 8), SPACE.grid(3)
    mask = {"src_key_padding_mask": torch.arange(5) >= torch.tensor([[5], [4], [4]])} if padded else {}
    kept = torch.arange(5)[None] < torch.tensor([[5], [4], [4]])
    with torch.no_grad():
        out = model(x, at=lam, **mask)
        assert out.shape == x.shape
        for i in range(3):
            each = {name: value[i : i + 1] for name, value in mask.items()}
            assert torch.allclose(out[i], model(x[i : i + 1], at=lam[i], **each)[0], atol=1e-6)
        plain = model.bake(lam[0], probe={"src": x, **mask})
        assert all(layer.activation_relu_or_gelu == 1 for layer in plain.layers)
        fast = plain(x, **mask)
        assert torch.allclose(fast[kept], model(x, at=lam[0], **mask)[kept], atol=1e-5)
    assert torch.backends.mha.get_fastpath_enabled()


def test_hooks_that_a_forward_registers_stay_with_the_bound_network():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.ready = nn.Linear(3, 3), False

        def forward(self, x):
            if not self.ready:
                self.layer.register_forward_hook(lambda module, inputs, output: 2 * output)
                self.ready = True
            return self.layer(x)

    model, x = condition(Lazy(), SPACE), torch.randn(4, 3)
    first, *later = [model(x, b=1.0) for _ in range(4)]
    assert all(torch.equal(first, other) for other in later)
    assert not model.plain.layer._forward_hooks


def test_a_bound_network_is_freed_with_its_last_reference():
    model = condition(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), SPACE)
    gc.collect()
    gc.disable()
    try:
        bound = model.at(b=1.0)
        gone = weakref.ref(bound)
        del bound
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize("gain", ["linear", "exponential"])
def test_a_pretrained_network_starts_as_it_is_and_film_alone_learns(layout, gain):
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 2))
    model = condition(net, SPACE, start="plain", train="film", layout=layout, gain=gain)
    x, y, lam = torch.randn(32, 6), torch.randn(32, 2), SPACE.sample(32)
    assert torch.equal(model(x, at=lam), net(x))
    assert {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"film"}
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.05)
    losses = []
    for _ in range(30):
        loss = (model(x, at=lam) - lam[:, 1:] * y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(torch.equal(a, b) for a, b in zip(model.plain.parameters(), net.parameters(), strict=True))
    with pytest.raises(YotoError, match="`start` should be 'near' or 'plain'"):
        condition(net, SPACE, start="same")


def test_the_loss_parameters_are_keywords_of_a_call_too():
    model, x = condition(nn.Linear(3, 3), SPACE), torch.randn(4, 3)
    assert torch.equal(model(x, b=0.5), model(x, at={"b": 0.5}))
    with pytest.raises(YotoError, match="free in this loss space and should be given"):
        model(x)


def test_a_tensor_outside_its_range_is_refused_unless_allowed():
    model, x = condition(nn.Linear(3, 3), SPACE), torch.randn(4, 3)
    far = SPACE.point(b=100.0, extrapolate=True)
    with pytest.raises(YotoError, match=r"`b` of λ should lie in .* Found 100"):
        model(x, at=far)
    zero = SPACE.sample(4)
    zero[2, 1] = 0.0
    with pytest.raises(YotoError, match="Found 0"):
        model.at(zero)
    assert model(x, at=far, extrapolate=True).shape == (4, 3)
    ends = SPACE.grid(2)
    assert model(x[:2], at=ends).shape == (2, 3)


@pytest.mark.parametrize(
    "hide",
    [
        lambda net: [(net.layer, 1)],
        lambda net: functools.partial(net.layer),
        lambda net: {"a": [net.layer]},
        lambda net: net.run,
    ],
)
def test_references_beside_the_module_tree_lead_to_the_bound_network(hide):
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.also = hide(self)

        def run(self, x):
            return self.layer(x)

        def forward(self, x):
            found = self.also
            while not callable(found):
                found = found["a"] if isinstance(found, dict) else found[0]
            return found(x)

    model, x = condition(Beside(), SPACE, multiplier=0.5), torch.randn(4, 3)
    low, high = (model(x, b=value) for value in (0.1, 10.0))
    assert not torch.allclose(low, high)
    assert torch.allclose(model.bake(b=10.0, probe=x)(x), high, atol=1e-6)
    assert torch.allclose(model.plain(x), model.plain.layer(x))


def test_a_forward_that_an_object_chose_for_itself_is_bound():
    class Switch(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.forward = self.fast

        def fast(self, x):
            return self.layer(x)

    model, x = condition(Switch(), SPACE, multiplier=0.5), torch.randn(4, 3)
    assert not torch.allclose(model(x, b=0.1), model(x, b=10.0))


def test_references_that_a_copy_could_not_follow_are_refused():
    class Own(list):
        pass

    net = nn.Sequential(nn.Linear(3, 3))
    net.also = Own([net[0]])
    with pytest.raises(YotoError, match=r"'also'.*outside the module tree"):
        condition(net, SPACE)
    layer = nn.Linear(3, 3)
    layer.forward = lambda x: x
    with pytest.raises(YotoError, match="does more than its class says"):
        condition(nn.Sequential(layer), SPACE)


def test_compiling_a_part_in_place_does_not_lose_lambda():
    model = condition(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), SPACE, multiplier=1.0)
    x = torch.randn(4, 3)
    expected = [model(x, at={"b": b}) for b in (0.1, 9.0)]
    model.plain[0].compile(backend="eager")
    model.plain.compile(backend="eager")
    for b, y in zip((0.1, 9.0), expected, strict=True):
        assert torch.equal(model(x, at={"b": b}), y)


def test_bound_networks_are_not_taken_for_plain_ones(tmp_path):
    model = condition(nn.Sequential(nn.Linear(3, 3)), SPACE)
    bound = model.at(b=2.0)
    for take in (
        lambda: condition(bound, SPACE),
        lambda: yoto.save(bound, tmp_path / "m.safetensors", space=SPACE),
        lambda: export(bound, tmp_path / "m.safetensors"),
    ):
        with pytest.raises(YotoError, match=r"model\.bake"):
            take()


def test_modes_of_parts_are_kept():
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    net[1].eval()
    model = condition(net, SPACE)
    assert model.training
    assert not model.plain[1].training


def test_what_the_rule_leaves_out_is_said():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))
    with pytest.warns(UserWarning, match=r"left out 1 InstanceNorm2d \('1': it has no affine parameters"):
        model = condition(net, SPACE)
    assert model.conditioned.names == ("3",)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (torch.ones(3), r"shape \[2\] or \[B, 2\]"),
        (torch.ones(2, 3, 2), "shape"),
        ({"b": 100.0}, r"`b` should lie in \[0.1, 10\]"),
        ({"c": 1.0}, "no loss parameter"),
    ],
)
def test_bad_lambda(at, message):
    model = condition(nn.Sequential(nn.Linear(3, 3)), SPACE)
    with pytest.raises(YotoError, match=message):
        model(torch.randn(2, 3), at=at)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: condition(3, SPACE), "torch.nn.Module"),
        (lambda: condition(nn.Linear(2, 2), LossSpace(a=1.0)), "free parameter"),
        (lambda: condition(condition(nn.Linear(2, 2), SPACE), SPACE), "plain network"),
        (lambda: condition(torch.compile(nn.Linear(2, 2), backend="aot_eager"), SPACE), "OptimizedModule"),
        (lambda: condition(nn.DataParallel(nn.Linear(2, 2)), SPACE), "DataParallel"),
        (lambda: condition(nn.Linear(2, 2), SPACE, layout="joint"), "layout"),
        (lambda: condition(nn.Linear(2, 2), SPACE, gain="cubic"), "gain"),
        (lambda: condition(nn.Linear(2, 2), SPACE, layout="separate", skip=True), "shared layout"),
        (lambda: condition(nn.Linear(2, 2), SPACE, hidden=(0,)), "hidden"),
        (lambda: condition(nn.Linear(2, 2), SPACE, hidden=64), "hidden"),
        (lambda: condition(nn.Linear(2, 2), LossSpace(a=Uniform(0, 1)), raw=True), "contains 0"),
        (lambda: condition(nn.Linear(2, 2), SPACE, fourier=-1), "fourier"),
        (lambda: condition(nn.Sequential(nn.LayerNorm((2, 2))), SPACE, channel_axis={"0": 1}), "channel_axis"),
        (lambda: condition(nn.Linear(2, 2), SPACE, channel_axis={"norm": -1}), "lacks"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(YotoError, match=message):
        build()


def test_a_single_layer_is_a_network_too():
    model = condition(nn.Linear(3, 2), SPACE)
    x = torch.randn(4, 3)
    assert torch.allclose(model.bake(b=2.0)(x), model(x, at={"b": 2.0}), atol=1e-6)


def test_deepcopy_pickle_and_rebuilding_from_the_config():
    model = condition(Auto(), SPACE, fourier=2)
    x, lam = torch.randn(2, 1, 6, 6), SPACE.sample(2)
    expected = model(x, at=lam).code
    assert torch.equal(copy.deepcopy(model)(x, at=lam).code, expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x, at=lam).code, expected)
    with torch.no_grad():
        bound = model.at(lam)
    assert torch.equal(pickle.loads(pickle.dumps(bound))(x).code, expected)
    assert torch.equal(copy.deepcopy(bound)(x).code, expected)
    again = condition(Auto(), SPACE, **model.config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x, at=lam).code, expected)


def test_construction_is_deterministic():
    states = []
    for _ in range(2):
        torch.manual_seed(1)
        states.append(condition(Auto(), SPACE).state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_no_hidden_layer_is_a_linear_map_of_the_encoding():
    model = condition(nn.Linear(3, 4), SPACE, hidden=(), fourier=0)
    assert isinstance(model.film, ConditioningNetwork)
    low, middle, high = (model.modulations(SPACE.point(b=b))[""].scale for b in (0.1, 1.0, 10.0))
    assert torch.allclose(middle, (low + high) / 2, atol=1e-6)


def test_an_empty_batch_takes_no_rows_of_lambda():
    model = condition(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), SPACE)
    lam = SPACE.sample(2)[:0]
    y = model(torch.zeros(0, 3), at=lam)
    assert y.shape == (0, 2)
    y.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_shares_that_do_not_sum_to_one_are_refused():
    space = LossSpace(fit=1.0, style=Choice("dots", "stripes"), mix=Simplex("size", "bend"))
    model, x = condition(nn.Linear(2, 3), space), torch.rand(4, 2)
    drawn = space.sample(4)
    assert model(x, at=drawn).shape == (4, 3)
    assert model(x, at=drawn.half().float()).shape == (4, 3)
    for column, names in ((2, "style:dots, style:stripes"), (4, "size, bend")):
        lam = space.point(style="dots", size=0.25, bend=0.75).repeat(4, 1)
        lam[2, column] = 0.9
        with pytest.raises(YotoError, match=f"Columns {names} of λ should sum to 1. Found 1"):
            model(x, at=lam)
        assert model(x, at=lam, extrapolate=True).shape == (4, 3)
