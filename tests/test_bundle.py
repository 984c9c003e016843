"""Bundles: what was saved comes back, headers need no torch, damage and strangers are refused."""

import json
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from yoto import bundle
from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.space import LogUniform, LossSpace
from yoto.support import tensors

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.fixture
def saved(tmp_path):
    model = condition(net(), SPACE, fourier=2)
    path = tmp_path / "model.safetensors"
    bundle.save(model, path, info={"steps": 3}, curve={"points": [1]})
    return model, path


def test_round_trip(saved):
    model, path = saved
    loaded = bundle.load(path, net=net())
    x, lam = torch.randn(5, 3), SPACE.sample(5)
    assert torch.equal(loaded.model(x, at=lam), model(x, at=lam))
    assert loaded.space == SPACE
    assert loaded.header.info == {"steps": 3}
    assert loaded.header.curve == {"points": [1]}
    assert loaded.header.parameters == sum(p.numel() for p in model.parameters())
    assert not loaded.model.training
    assert loaded.conditional is loaded.model


def test_extras_travel_beside_the_weights(saved, tmp_path):
    model, _ = saved
    path = tmp_path / "more.safetensors"
    extras = {"table": torch.arange(5, dtype=torch.int16), "wide.name": torch.zeros(2, 3, dtype=torch.int32)}
    bundle.save(model, path, extras=extras, half=True)
    loaded = bundle.load(path, net=net())
    assert set(loaded.extras) == set(extras)
    assert all(torch.equal(loaded.extras[name], value) for name, value in extras.items())
    assert loaded.header.parameters == sum(p.numel() for p in model.parameters())
    assert bundle.load(saved[1], net=net()).extras == {}


def test_halving_rounds_to_what_half_precision_stores(saved, tmp_path):
    model, _ = saved
    bundle.halve(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bundle.save(model, tmp_path / "half.safetensors", half=True)
    loaded = bundle.load(tmp_path / "half.safetensors", net=net()).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in before.items())


def test_a_plain_network(tmp_path):
    plain = net()
    path = tmp_path / "plain.safetensors"
    bundle.save(plain, path, space=SPACE)
    loaded = bundle.load(path, net=net())
    assert torch.equal(loaded.model(torch.ones(1, 3)), plain(torch.ones(1, 3)))
    with pytest.raises(YotoError, match="fixed weights"):
        _ = loaded.conditional
    with pytest.raises(YotoError, match="`space`"):
        bundle.save(plain, path)


def test_half_precision_halves_the_file_and_loads_as_float32(saved, tmp_path):
    model, path = saved
    small = tmp_path / "half.safetensors"
    bundle.save(model, small, half=True)
    loaded = bundle.load(small, net=net())
    assert all(p.dtype == torch.float32 for p in loaded.model.parameters())
    x, lam = torch.randn(5, 3), SPACE.sample(5)
    assert torch.allclose(loaded.model(x, at=lam), model(x, at=lam), atol=1e-2)
    assert path.stat().st_size - small.stat().st_size > 1.5 * loaded.header.parameters


def test_equal_models_give_equal_files(saved, tmp_path):
    model, path = saved
    again = tmp_path / "again.safetensors"
    bundle.save(model, again, info={"steps": 3}, curve={"points": [1]})
    assert again.read_bytes() == path.read_bytes()


def test_half_keeps_what_it_could_not_hold(tmp_path):
    model = condition(net(), SPACE)
    with torch.no_grad():
        model.plain[0].bias.fill_(1e6)
    bundle.save(model, tmp_path / "m.safetensors", half=True)
    assert torch.equal(
        bundle.load(tmp_path / "m.safetensors", net=net()).conditional.plain[0].bias, model.plain[0].bias
    )


class Mixed(nn.Module):
    """Frequencies in double precision beside weights in single, and a head in double."""

    def __init__(self, head):
        super().__init__()
        self.layer, self.head = nn.Linear(3, 4), nn.Linear(4, 2, dtype=head)
        self.register_buffer("scale", torch.linspace(1, 2, 4, dtype=torch.float64))

    def forward(self, x):
        return self.head((self.layer(x) * self.scale).to(self.head.weight.dtype))


@pytest.mark.parametrize("head", [torch.float32, torch.float64])
def test_precisions_of_single_tensors_stay(head, tmp_path):
    model = condition(Mixed(head), SPACE)
    bundle.save(model, tmp_path / "m.safetensors")
    loaded = bundle.load(tmp_path / "m.safetensors", net=Mixed(head)).model
    assert [t.dtype for t in loaded.state_dict().values()] == [t.dtype for t in model.state_dict().values()]
    x, lam = torch.randn(5, 3), SPACE.sample(5)
    assert torch.equal(loaded(x, at=lam), model(x, at=lam))


def test_half_precision_is_for_weights_alone(saved, tmp_path):
    model, _ = saved
    extras, example = {"table": torch.tensor([1 / 3])}, torch.tensor([[0.1, 0.2, 0.3]])
    bundle.save(model, tmp_path / "m.safetensors", extras=extras, example=example, half=True)
    loaded = bundle.load(tmp_path / "m.safetensors", net=net())
    assert torch.equal(loaded.extras["table"], extras["table"])
    assert torch.equal(loaded.example["input"], example)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.eye(3).to_sparse(), r"torch\.float32, sparse_coo, as 'plain\.more' of the network's state"),
        (torch.eye(3, dtype=torch.complex128), r"torch\.complex128, strided, as 'plain\.more'"),
    ],
)
def test_what_safetensors_cannot_hold_is_named(tensor, said, tmp_path):
    plain = net()
    plain.register_buffer("more", tensor)
    with pytest.raises(YotoError, match=said):
        bundle.save(condition(plain, SPACE), tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_frozen_plain_network_comes_back_frozen_and_a_freed_one_free(tmp_path):
    model = condition(nn.Linear(3, 2), SPACE, train="film")
    for trains in (False, True):
        bundle.save(model.requires_grad_(True) if trains else model, tmp_path / "model.safetensors")
        again = bundle.load(tmp_path / "model.safetensors", net=nn.Linear(3, 2)).model
        assert {p.requires_grad for p in again.plain.parameters()} == {trains}
        assert all(p.requires_grad for p in again.film.parameters())


def test_double_precision_stays(tmp_path):
    model = condition(net().double(), SPACE)
    bundle.save(model, tmp_path / "m.safetensors")
    loaded = bundle.load(tmp_path / "m.safetensors", net=net())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.model.parameters(), strict=True))


def test_loading_leaves_the_random_stream_alone(saved):
    plain = net()
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    bundle.load(saved[1], net=plain)
    assert torch.equal(torch.rand(3), expected)


def test_weights_of_another_network(saved):
    with pytest.raises(YotoError, match=r"a Sequential. 5 do not fit: 'plain.0.weight' is \[4, 3\] there and \[5, 3\]"):
        bundle.load(saved[1], net=nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(YotoError, match=r"'plain.3.weight' is not in the file, .*another network"):
        bundle.load(saved[1], net=nn.Sequential(*net(), nn.Linear(2, 2)))
    with pytest.raises(YotoError, match="should be of the network that it is loaded into, a Linear. Found: `sites`"):
        bundle.load(saved[1], net=nn.Linear(3, 2))


def test_a_bundle_is_shown_in_one_line(saved):
    loaded = bundle.load(saved[1], net=net())
    assert repr(loaded.header).startswith(f"Header({str(saved[1])!r}, ")
    assert repr(loaded) == f"Bundle(Conditional, {loaded.header!r})"


def test_what_was_said_of_batch_norms_is_not_said_again(tmp_path):
    def normed():
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    with pytest.warns(UserWarning, match="batch norms"):
        bundle.save(condition(normed(), SPACE), tmp_path / "m.safetensors")
    bundle.load(tmp_path / "m.safetensors", net=normed())  # warnings are errors here


def test_no_task(saved):
    with pytest.raises(YotoError, match="names no task"):
        bundle.load(saved[1])


def test_a_name_in_a_file_is_never_imported(tmp_path):
    path = tmp_path / "m.safetensors"
    bundle.save(condition(net(), SPACE), path, task="os:system")
    with pytest.raises(YotoError, match="`task` should be one of"):
        bundle.load(path)


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_flipped_byte_is_noticed_or_harmless(tmp_path_factory, place, flip):
    folder = tmp_path_factory.mktemp("flip")
    model = condition(net(), SPACE)
    path = folder / "model.safetensors"
    bundle.save(model, path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= flip
    path.write_bytes(bytes(data))
    try:
        loaded = bundle.load(path, net=net())
    except YotoError:
        return
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_files_are_refused(saved, kept):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(YotoError, match="damaged|should be a .safetensors file"):
        bundle.load(path, net=net())


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(YotoError, match=r"written by yoto\.save"):
        bundle.read_header(path)
    path.write_text(json.dumps({"a": 1}))
    with pytest.raises(YotoError, match="should be a .safetensors file"):
        bundle.read_header(path)
    with pytest.raises(YotoError, match="A model should be a file"):
        bundle.read_header(tmp_path / "missing")
    with pytest.raises(YotoError, match="a finished run has"):
        bundle.read_header(tmp_path)


def test_names_from_the_models_folder(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("YOTO_MODELS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert bundle.locate("model") == saved[1]
    (tmp_path / "broken.safetensors").write_text("x")
    names = [name for name, bundled, _ in bundle.listing() if not bundled]
    assert names == ["model"]


def test_both_versions_of_the_format_are_among_the_bundled_models():
    headers = [tensors.read_header(bundle.locate(name))[0]["__metadata__"] for name in bundle.bundled()]
    assert {header["version"] for header in headers} == {"1", "2"}


@pytest.mark.parametrize("name", bundle.bundled())
def test_bundled_models_come_back(name, tmp_path):
    path = bundle.locate(name)
    loaded, raw = bundle.load(name), load_file(path)
    for key, value in loaded.model.state_dict().items():
        assert torch.equal(value, raw[key].to(value.dtype))
    half = any(value.dtype == torch.float16 for value in raw.values())
    bundle.save(loaded.model, tmp_path / "again.safetensors", extras=loaded.extras, like=loaded.header, half=half)
    again = bundle.load(tmp_path / "again.safetensors")
    mine, theirs = (
        {k: v for k, v in vars(h).items() if k not in ("path", "size", "layers")} for h in (again.header, loaded.header)
    )
    assert mine.pop("conditioning").items() >= theirs.pop("conditioning").items()  # old ones lack later settings
    assert mine == theirs
    for key, value in loaded.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key])
    assert all(torch.equal(value, again.extras[key]) for key, value in loaded.extras.items())


def chebyshev(losses, weights):
    return (losses * weights).amax(1)


def test_objective_and_directions_travel(tmp_path):
    path = tmp_path / "m.safetensors"
    objective = Objective(SPACE, balance=None, scalarisation=chebyshev, per_batch=True)
    bundle.save(condition(net(), SPACE), path, objective=objective, directions={"accuracy": "higher"})
    header = bundle.read_header(path)
    assert header.objective == {"scalarisation": "chebyshev", "balance": None, "per_batch": True}
    assert header.directions == {"accuracy": "higher"}
    assert Objective(SPACE).to_dict() == {"scalarisation": "weighted-sum", "balance": 0.25, "per_batch": False}


def rewritten(path, change):
    """A bundle with other metadata, hash included."""
    data = path.read_bytes()
    header, start = tensors.read_header(path)
    change(header["__metadata__"])
    header["__metadata__"]["sha256"] = tensors.digest(header, data[start:])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[start:])


def test_a_reader_needs_none_of_the_optional_keys_and_keeps_unknown_ones(saved, tmp_path):
    path = saved[1]

    def change(metadata):
        for key in ("task", "curve", "info"):
            del metadata[key]
        metadata["layouts of tomorrow"] = '{"a": 1}'

    rewritten(path, change)
    loaded = bundle.load(path, net=net())
    assert loaded.header.info == loaded.header.directions == {}
    assert loaded.header.objective is loaded.header.curve is None
    bundle.save(loaded.model, tmp_path / "again.safetensors", like=loaded.header, info={"steps": 4})
    again = bundle.read_header(tmp_path / "again.safetensors")
    assert again.unknown == {"layouts of tomorrow": '{"a": 1}'}
    assert again.info == {"steps": 4}


class Kinds(nn.Module):
    """Layers that fold in different ways, and one under two names."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 6, 3, groups=2)
        self.norm, self.down = nn.GroupNorm(2, 6), nn.Conv2d(6, 4, 3, bias=False)
        self.wide = nn.LayerNorm((4, 3, 3))
        self.table, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("count", torch.tensor(3))


@pytest.mark.filterwarnings("ignore:bake.*untied")
@pytest.mark.parametrize("settings", [{}, {"gain": "exponential", "skip": True, "fourier": 2}, {"layout": "separate"}])
@pytest.mark.parametrize("double", [False, True])
def test_weights_at_one_lambda_come_from_the_file_alone(settings, double, tmp_path):
    net = Kinds().double() if double else Kinds()
    model = condition(net, SPACE, multiplier=1.0, channel_axis={"wide": -3}, **settings)
    bundle.save(model, tmp_path / "m.safetensors")
    found, expected = bundle.baked_state(tmp_path / "m.safetensors", {"b": 3.0}), model.bake(b=3.0).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_files_of_the_first_version_need_their_network():
    with pytest.raises(YotoError, match="does not say how its layers fold"):
        bundle.baked_state("vae/fashion-mnist", {"kl": 4.0})


def test_later_versions_are_refused(saved):
    rewritten(saved[1], lambda metadata: metadata.update(version="3"))
    with pytest.raises(YotoError, match="bundle version 3; this yoto reads versions 1 and 2. Upgrade"):
        bundle.read_header(saved[1])


class Remembers(nn.Linear):
    """A layer with state beside its tensors."""

    kept: object = None

    def get_extra_state(self):
        return self.kept

    def set_extra_state(self, state):
        self.kept = state


class Labelled(nn.Linear):
    """A layer that puts an object of its class's own into its state."""

    def state_dict(self, *args, **kwargs):
        return super().state_dict(*args, **kwargs) | {"_version": {"written by": object()}}


def test_state_beside_tensors_comes_back_or_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    model = condition(nn.Sequential(Remembers(3, 4), nn.Linear(4, 2)), SPACE)
    model.plain[0].kept = {"seen": [1, 2]}
    bundle.save(model, path)
    loaded = bundle.load(path, net=nn.Sequential(Remembers(3, 4), nn.Linear(4, 2)))
    assert loaded.conditional.plain[0].kept == {"seen": [1, 2]}
    model.plain[0].kept = {1, 2}
    with pytest.raises(YotoError, match=r"holds tensors and JSON. Found a set as 'plain\.0\._extra_state'"):
        bundle.save(model, path)
    bundle.save(condition(Labelled(3, 4), SPACE), path)
    assert bundle.load(path, net=Labelled(3, 4)).space == SPACE
