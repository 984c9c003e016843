"""Exported models agree with eager, take any batch and size, and are written whole or not at all."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.export import export
from yoto.space import Choice, LogUniform, LossSpace, Simplex

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 1, 3, padding=1, groups=1)

    def encode(self, x):
        return torch.relu(self.conv(x))

    def forward(self, x):
        code = self.encode(x)
        return self.up(code), code


class Noisy(Net):
    def forward(self, x):
        return self.up(self.encode(x) + torch.randn_like(x))


@pytest.fixture
def model():
    return condition(Net(), SPACE, multiplier=0.5, fourier=1)


INPUTS = {"image": torch.randn(2, 1, 8, 8)}
SIZES = {"image": {2: "height", 3: "width"}}


def onnx_session(path):
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_conditional_onnx_takes_lambda_and_any_size(model, tmp_path):
    pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    export(model, path, INPUTS, dynamic=SIZES)
    session = onnx_session(path)
    assert [i.name for i in session.get_inputs()] == ["image", "lambda"]
    for shape in ((1, 1, 8, 8), (3, 1, 5, 12)):
        x, lam = torch.randn(shape), SPACE.sample(shape[0])
        image, code = session.run(None, {"image": x.numpy(), "lambda": lam.numpy()})
        expected = model(x, at=lam)
        assert torch.allclose(torch.from_numpy(image), expected[0], atol=1e-5)
        assert torch.allclose(torch.from_numpy(code), expected[1], atol=1e-5)


def test_baked_onnx_of_one_method(model, tmp_path):
    pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    plain = model.bake(b=3.0)
    export(plain, path, INPUTS, method="encode")
    x = torch.randn(5, 1, 8, 8)
    (code,) = onnx_session(path).run(None, {"image": x.numpy()})
    assert torch.allclose(torch.from_numpy(code), plain.encode(x), atol=1e-5)


def test_program(model, tmp_path):
    path = tmp_path / "m.pt2"
    export(model, path, INPUTS, dynamic=SIZES)
    program = torch.export.load(path).module()
    x, lam = torch.randn(3, 1, 9, 4), SPACE.sample(3)
    assert torch.allclose(program(x, lam)[0], model(x, at=lam)[0], atol=1e-5)


def test_plain_weights_load_without_yoto(model, tmp_path):
    from safetensors.torch import load_file

    path = tmp_path / "m.safetensors"
    plain = model.bake(b=3.0)
    export(plain, path)
    fresh = Net()
    fresh.load_state_dict(load_file(path))
    assert torch.equal(fresh(INPUTS["image"])[0], plain(INPUTS["image"])[0])
    with pytest.raises(YotoError, match="network at one λ"):
        export(model, path)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("m.txt", {}, "`format` should be"),
        ("m.onnx", {"inputs": None}, "example tensors"),
        ("m.pt2", {"method": "decode"}, "`method` should be a method"),
    ],
)
def test_bad_arguments_leave_no_file(model, tmp_path, name, arguments, message):
    with pytest.raises(YotoError, match=message):
        export(model, tmp_path / name, **{"inputs": INPUTS, **arguments})
    assert not list(tmp_path.iterdir())


def test_random_methods_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(YotoError, match="draws random numbers"):
        export(condition(Noisy(), SPACE), tmp_path / "m.pt2", INPUTS)
    assert not list(tmp_path.iterdir())


@dataclass
class Encoded:
    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...]
    note: str = "none"


class Words(nn.Module):
    """Takes optional arguments in another order than people give them, and returns an object."""

    def __init__(self):
        super().__init__()
        self.words, self.kinds = nn.Embedding(20, 8), nn.Embedding(2, 8)
        self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, ids, mask=None, kinds=None, *, detailed=True, scale=1.0):
        x = self.words(ids) + self.kinds(torch.zeros_like(ids) if kinds is None else kinds)
        x = x * (1.0 if mask is None else mask[..., None].float())
        h = torch.tanh(self.layer(x)) * scale
        return Encoded(self.head(h), (x, h)) if detailed else self.head(h)


class Passing(nn.Module):
    """Passes whatever it is given on, as wrappers do."""

    def __init__(self):
        super().__init__()
        self.inner = Words()

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


IDS = torch.arange(12).view(3, 4)
KINDS = torch.tensor([[0, 0, 1, 1]]).repeat(3, 1)
MASK = torch.tensor([[1, 1, 1, 0]]).repeat(3, 1)
WORDS = {"ids": IDS, "kinds": KINDS, "mask": MASK}


def read(path):
    """The exported program and what the file says of it."""
    files = {"yoto": ""}
    program = torch.export.load(path, extra_files=files).module()
    return program, json.loads(files["yoto"])


@pytest.mark.filterwarnings("ignore:condition.*Embedding may fold")
@pytest.mark.parametrize("net", [Words(), Passing()], ids=["named", "passed on"])
@pytest.mark.parametrize("given", [WORDS, {"kinds": KINDS, "ids": IDS}], ids=["all", "without one between"])
def test_inputs_are_given_by_name(net, given, tmp_path):
    model = condition(net, SPACE, multiplier=0.5)
    export(model, tmp_path / "m.pt2", given)
    program, facts = read(tmp_path / "m.pt2")
    lam = SPACE.sample(3)
    order = [{**given, "lambda": lam}[name] for name in facts["inputs"]]
    torch.testing.assert_close(program(*order)[0], model(**given, at=lam).logits)
    assert list(facts["inputs"]) == [*given, "lambda"]
    assert facts["outputs"] == ["logits", "hidden_0", "hidden_1"]


def test_settings_are_kept(tmp_path):
    net = Words()
    export(net, tmp_path / "m.pt2", {"ids": IDS, "detailed": False, "mask": None, "scale": 2.0})
    program, facts = read(tmp_path / "m.pt2")
    torch.testing.assert_close(program(IDS), net(IDS, scale=2.0).logits)
    assert (list(facts["inputs"]), facts["outputs"]) == (["ids"], ["output"])
    with pytest.raises(YotoError, match="a tensor for each argument"):
        export(net, tmp_path / "n.pt2", {"ids": IDS, "mask": [MASK]})


def test_labels_that_contradict_the_arguments_are_refused(tmp_path):
    with pytest.raises(YotoError, match=r"arguments of 'forward' \(ids, mask, kinds, detailed, scale\)"):
        export(Words(), tmp_path / "m.pt2", {"tokens": IDS, "kinds": KINDS})
    with pytest.raises(YotoError, match=r"Found ids, maks\. Did you mean 'mask'"):
        export(Words(), tmp_path / "m.pt2", {"ids": IDS, "maks": MASK})
    with pytest.raises(YotoError, match=r"Found maks\. Did you mean 'mask'"):
        export(Words(), tmp_path / "m.pt2", {"maks": IDS})
    with pytest.raises(YotoError, match="at least two samples"):
        export(Words(), tmp_path / "m.pt2", {"ids": IDS[:1]})
    with pytest.raises(YotoError, match="`dynamic` should name inputs"):
        export(Words(), tmp_path / "m.pt2", {"ids": IDS}, dynamic={"tokens": {1: "length"}})


@pytest.mark.filterwarnings("ignore:condition.*Embedding may fold")
def test_onnx_names_its_outputs_and_says_what_lambda_is(tmp_path):
    pytest.importorskip("onnxscript")
    space = LossSpace(a=1.0, b=LogUniform(0.1, 10.0), mix=Simplex("c", "d"), kind=Choice(("u", "v")))
    model = condition(Words(), space, multiplier=0.5)
    export(model, tmp_path / "m.onnx", WORDS, facts={"note": "mine"}, dynamic={name: {1: "length"} for name in WORDS})
    session = onnx_session(tmp_path / "m.onnx")
    assert [i.name for i in session.get_inputs()] == [*WORDS, "lambda"]
    assert [o.name for o in session.get_outputs()] == ["logits", "hidden_0", "hidden_1"]
    facts = json.loads(session.get_modelmeta().custom_metadata_map["yoto"])
    assert facts["note"] == "mine"
    assert facts["inputs"] == {**{name: ["batch", "length"] for name in WORDS}, "lambda": ["batch", 6]}
    assert facts["lambda"]["columns"] == list(space.names)
    assert facts["lambda"]["ranges"]["a"] == [1.0, 1.0]
    assert facts["lambda"]["ranges"]["b"] == [0.1, 10.0]
    assert facts["lambda"]["ranges"]["c"] == [0.001, 0.999]
    assert facts["lambda"]["ranges"]["kind:u"] == [0.0, 1.0]
    assert LossSpace.from_dict(facts["lambda"]["space"]) == space


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_one_lambda_for_the_batch(model, tmp_path, suffix):
    path, x, lam = tmp_path / f"m.{suffix}", torch.randn(5, 1, 8, 8), SPACE.point(b=3.0)
    if suffix == "onnx":
        pytest.importorskip("onnxscript")
    export(model, path, INPUTS, per_batch=True)
    if suffix == "onnx":
        found = onnx_session(path).run(None, {"image": x.numpy(), "lambda": lam.numpy()})[0]
    else:
        program, facts = read(path)
        found = program(x, lam)[0].detach().numpy()
        assert facts["inputs"]["lambda"] == [2]
    torch.testing.assert_close(torch.from_numpy(found), model(x, at=lam)[0].detach(), atol=1e-5, rtol=1e-4)


def test_plain_weights_carry_facts(model, tmp_path):
    from safetensors import safe_open

    export(model.bake(b=3.0), tmp_path / "m.safetensors", facts={"at": {"b": 3.0}})
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert json.loads(file.metadata()["yoto"]) == {"at": {"b": 3.0}}


class Twice(nn.Module):
    """A layer under two names."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.again = self.first
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.again(self.first(x)))


class LengthFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x, table):
        return self.layer(x).mean(0) + table[0]


@pytest.mark.parametrize("baked", [False, True])
@pytest.mark.parametrize("make", [Twice, lambda: torch.fx.symbolic_trace(Twice())], ids=["two names", "fx graph"])
def test_networks_with_shared_modules_and_of_torch_fx(make, baked, tmp_path):
    model, x, lam = condition(make(), SPACE, multiplier=0.5), torch.randn(5, 4), SPACE.sample(5)
    export(model.bake(b=0.3) if baked else model, tmp_path / "m.pt2", {"x": x[:2]})
    program, _ = read(tmp_path / "m.pt2")
    if baked:
        torch.testing.assert_close(program(x), model(x, at={"b": 0.3}))
    else:
        torch.testing.assert_close(program(x, lam), model(x, at=lam))


def test_the_batch_may_be_another_axis(tmp_path):
    net = LengthFirst()
    export(
        net, tmp_path / "m.pt2", {"x": torch.randn(7, 3, 4), "table": torch.randn(5, 2)}, dynamic={"x": {1: "batch"}}
    )
    program, facts = read(tmp_path / "m.pt2")
    x, table = torch.randn(7, 9, 4), torch.randn(5, 2)
    torch.testing.assert_close(program(x, table), net(x, table))
    assert facts["inputs"] == {"x": [7, "batch", 4], "table": [5, 2]}


class Decides(nn.Module):
    """Takes another way for single samples, and makes a number of their count where asked."""

    def __init__(self, number):
        super().__init__()
        self.layer, self.number = nn.Linear(4, 2), number

    def forward(self, x):
        y = self.layer(x) if 3 * x.shape[0] > 4 else self.layer(x) * 2
        return y * len(range(x.shape[0])) if self.number else y


def test_a_batch_may_have_limits_but_not_be_the_examples_alone(tmp_path):
    net, x = Decides(number=False), torch.randn(7, 4)
    export(net, tmp_path / "m.pt2", {"x": x[:3]})
    torch.testing.assert_close(read(tmp_path / "m.pt2")[0](x), net(x))
    with pytest.raises(YotoError, match="should take any batch size"):
        export(Decides(number=True), tmp_path / "n.pt2", {"x": x[:3]})
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]


class Fixed(nn.Module):
    """Takes one batch size, or none at all."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x).reshape(4, 2)


class Choosy(Fixed):
    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


@pytest.mark.parametrize("inputs", [torch.rand(4, 3), (torch.rand(4, 3),)], ids=["a tensor", "a tuple"])
def test_inputs_without_names_have_those_of_the_arguments(tmp_path, inputs):
    net = nn.Linear(3, 2)
    export(net, tmp_path / "m.pt2", inputs)
    program, facts = read(tmp_path / "m.pt2")
    assert list(facts["inputs"]) == ["input"]
    x = torch.rand(7, 3)
    torch.testing.assert_close(program(x), net(x))


@pytest.mark.parametrize(
    ("net", "inputs", "message"),
    [
        (nn.Linear(3, 2), [torch.rand(4, 3)], "a tuple of them or a mapping by argument name. Found list"),
        (nn.Linear(3, 2), torch.rand(4, 5), r"'forward' should run on `inputs`, input \[4, 5\]. Found: mat1"),
        (
            nn.Linear(3, 2),
            (torch.rand(4, 3), torch.rand(4)),
            r"arguments of 'forward' \(input\). Found input, input_1.$",
        ),
        (Fixed(), torch.rand(4, 3), "The model to export should take any batch size"),
        (Choosy(), torch.rand(4, 3), "cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line_and_nothing_more(tmp_path, capfd, net, inputs, message):
    with pytest.raises(YotoError, match=message):
        export(net, tmp_path / "m.pt2", inputs)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_method_may_change_its_inputs_in_place(tmp_path):
    class InPlace(nn.Linear):
        def forward(self, x):
            return super().forward(x.sub_(1.0).div_(2.0))

    model, x = condition(InPlace(3, 2), SPACE), torch.randn(3, 3)
    kept = x.clone()
    export(model, tmp_path / "model.pt2", (x,))
    assert torch.equal(x, kept)
    lam = SPACE.sample(3)
    found = torch.export.load(tmp_path / "model.pt2").module()(x.clone(), lam)
    torch.testing.assert_close(found, model(x.clone(), at=lam))
