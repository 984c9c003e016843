"""SqueezeNet 1.1 as a feature network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from yoto.apps.style.features.interface import Features, package_file
from yoto.data.untrusted import ForeignNameError, read_pickle
from yoto.errors import YotoError


def read_arrays(path: Path) -> Any:
    """The arrays in a pickle that Python 2 wrote.

    Raises:
        YotoError: If it holds any other object.
    """
    try:
        return read_pickle(path.read_bytes(), "latin1")
    except ForeignNameError as error:
        raise YotoError(f"A file of weights should hold arrays only. Found {error.name}.") from None


class SqueezeNet(Features):
    """SqueezeNet 1.1 (Iandola et al., 2016), to its module fire7.

    Args:
        parameters: Kernel [height, width, in, out] and bias of each convolution, by Keras name.
    """

    groups: ClassVar = {
        "fine": ("conv1",),
        "mid": ("fire2", "fire3"),
        "coarse": ("fire4", "fire5"),
        "coarser": ("fire6", "fire7"),
    }
    content: ClassVar = "fire5"
    mean: Tensor

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__()
        names = [
            "conv1",
            *(f"fire{i}/{part}" for i in range(2, 8) for part in ("squeeze1x1", "expand1x1", "expand3x3")),
        ]
        self.convolutions = nn.ParameterDict()
        for name in names:
            kernel, bias = (torch.tensor(np.asarray(each), dtype=torch.float32) for each in parameters[name])
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
        return cls(read_arrays(package_file("ndf", "example_models/weights/squeezenet_weights.pkl", "ndf")))

    @classmethod
    def untrained(cls) -> SqueezeNet:
        """With random parameters (He et al., ICCV 2015): for tests, it knows no images."""
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
