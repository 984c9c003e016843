"""Example inputs that travel with a model, so that it can be exported and looked at without its data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIX = "example."
"""Of an example's tensors among the extras of a bundle."""


def example_parts(net: nn.Module, example: Any) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Tensors to store, and what the header says of them: the inputs' names in order, and values that are no tensors.

    Args:
        net: The plain network, whose `forward` names the inputs that are given by position.
        example: One input, a tuple of them, or a mapping by argument name; None for none.

    Raises:
        YotoError: If there is no tensor among them, or another value is not JSON-able.
    """
    import torch

    if example is None:
        return {}, None
    if isinstance(example, Mapping):
        inputs = dict(example)
    else:
        given = example if isinstance(example, tuple) else (example,)
        names = argument_names(net.forward, len(given))
        inputs = dict(zip(names, given, strict=True))
    tensors = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
    settings = {name: value for name, value in inputs.items() if name not in tensors}
    if not tensors or not all(isinstance(v, (bool, int, float, str, type(None))) for v in settings.values()):
        kinds = ", ".join(f"{name}: {type(value).__name__}" for name, value in inputs.items())
        raise YotoError(
            "`example` should be an input of the network, a tuple of inputs or a mapping of them by name: tensors, and "
            f"beside them numbers, text or None. Found {kinds or 'nothing'}."
        )
    stored = {PREFIX + name: value.detach().cpu() for name, value in tensors.items()}
    return stored, {"inputs": list(inputs), "settings": settings}


def argument_names(method: Callable[..., Any], count: int) -> list[str]:
    """Names of the first arguments of a network's method; by number where it does not say."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):  # not written in Python
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = [parameter.name for parameter in parameters if parameter.kind in kinds][:count]
    return known + [f"input_{number}" for number in range(len(known), count)]


def stored_example(extras: Mapping[str, Tensor], said: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The inputs by name, in order, out of a bundle's extras and header; None where it has none."""
    if said is None:
        return None
    settings = said.get("settings") or {}
    return {name: settings[name] if name in settings else extras[PREFIX + name] for name in said["inputs"]}


def holds_example(extras: Mapping[str, Tensor], said: Mapping[str, Any] | None) -> bool:
    """Whether the extras hold all tensors of an example that a header tells of."""
    names = set(said["inputs"]) - set(said.get("settings") or {}) if said is not None else set()
    return bool(names) and all(PREFIX + name in extras for name in names)
