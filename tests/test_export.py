"""Exported models agree with eager, take any batch and size, and are written whole or not at all."""

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.export import export
from yoto.space import LogUniform, LossSpace

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
