"""VGG as a feature network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from yoto.apps.style.features.interface import Features, read_state
from yoto.errors import YotoError


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
