"""What every feature network is, and where its parameters come from."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

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
