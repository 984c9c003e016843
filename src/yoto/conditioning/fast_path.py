"""The inference fast path of torch's transformer encoders, which reads its layers' weights without calling them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

LEFT: dict[type[nn.Module], dict[str, Any]] = {
    nn.TransformerEncoderLayer: {"activation_relu_or_gelu": 0},
    nn.TransformerEncoder: {"use_nested_tensor": False},
}
"""Attributes under which these classes take their ordinary path in evaluation too."""

FAST = tuple(LEFT)


def leave_fast_path(modules: Iterable[nn.Module]) -> None:
    """Let those of some modules that have a fast path call their layers."""
    for module in modules:
        for kind, attributes in LEFT.items():
            if isinstance(module, kind):
                module.__dict__.update(attributes)


@contextmanager
def fast_path_off() -> Iterator[None]:
    """A block in which no network takes the fast path, which gives padded places other values."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
