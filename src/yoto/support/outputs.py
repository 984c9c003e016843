"""The tensors in whatever a network returns: containers, dataclasses, named tuples and other objects, nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import GeneratorType, ModuleType
from typing import Any, TypeAlias

from torch import Tensor, nn

Path: TypeAlias = "tuple[str | int, ...]"
CLOSED = (str, bytes, type, ModuleType, nn.Module)
"""Objects whose attributes are no outputs."""


def walk(value: Any, path: Path, above: tuple[int, ...]) -> Iterator[tuple[Path, Tensor]]:
    """Every tensor below a value with the keys, attributes and places that lead to it; `above`: ids on the way."""
    if isinstance(value, Tensor):
        yield path, value
        return
    if isinstance(value, CLOSED) or id(value) in above:
        return
    inner: list[tuple[str | int, Any]]
    if isinstance(value, Mapping):
        inner = [(key if isinstance(key, int) else str(key), item) for key, item in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        inner = list(zip(value._fields, value, strict=True))
    elif isinstance(value, (list, tuple)):
        inner = list(enumerate(value))
    elif is_dataclass(value):
        inner = [(field.name, getattr(value, field.name, None)) for field in fields(value)]
    else:
        slots = [s for kind in type(value).__mro__ for s in vars(kind).get("__slots__", ()) if hasattr(value, s)]
        inner = [*((s, getattr(value, s)) for s in slots), *getattr(value, "__dict__", {}).items()]
    for key, item in inner:
        yield from walk(item, (*path, key), (*above, id(value)))


def consumed(outputs: Any) -> Any:
    """What a generator gives, as a list, once it has run; other outputs as they are."""
    return list(outputs) if isinstance(outputs, GeneratorType) else outputs


def tensors_in(outputs: Any) -> list[Tensor]:
    """Every tensor in a network's outputs, in order.

    >>> import torch
    >>> [t.shape[0] for t in tensors_in({"a": torch.ones(1), "b": [torch.ones(2), (3, torch.ones(4))]})]
    [1, 2, 4]
    """
    return [tensor for _, tensor in walk(outputs, (), ())]


def named_tensors(outputs: Any) -> dict[str, Tensor]:
    """Every tensor in a network's outputs, in order, by a name of its own: of keys, or "output", "output_1".

    >>> import torch
    >>> x = torch.ones(1)
    >>> list(named_tensors({"logits": x, "hidden": (x, x)})), list(named_tensors((x, x)))
    (['logits', 'hidden_0', 'hidden_1'], ['output', 'output_1'])
    """
    result: dict[str, Tensor] = {}
    for path, tensor in walk(outputs, (), ()):
        named = any(isinstance(part, str) for part in path)
        base = "_".join(str(part).strip("_") for part in path) if named else "output"
        name, count = base, 0
        while name in result:
            count += 1
            name = f"{base}_{count}"
        result[name] = tensor
    return result
