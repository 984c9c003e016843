"""Modules that a network reaches by another way than its module tree: through attributes, containers, bound methods."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MethodType
from typing import Any

from torch import nn

from yoto.errors import YotoError

DEPTH = 4
"""Containers within containers that are looked into."""


def modules_in(value: Any, depth: int = DEPTH) -> Iterator[nn.Module]:
    """Modules that an attribute's value leads to through containers, bound methods and partial functions."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, MethodType):
        yield from modules_in(value.__self__, depth)
    elif depth and isinstance(value, partial):
        yield from modules_in([value.func, *value.args, *value.keywords.values()], depth - 1)
    elif depth and isinstance(value, (dict, list, tuple, set)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from modules_in(item, depth - 1)


def relinked(value: Any, clones: Mapping[int, nn.Module], depth: int = DEPTH) -> Any:
    """An attribute's value with the modules in it replaced by their clones, where there are any.

    Args:
        clones: By the id of the module that they stand for.
    """
    if isinstance(value, nn.Module):
        return clones.get(id(value), value)
    if isinstance(value, MethodType):
        return MethodType(value.__func__, relinked(value.__self__, clones, depth))
    if depth and type(value) is partial:
        arguments = (relinked(argument, clones, depth - 1) for argument in value.args)
        named = {name: relinked(argument, clones, depth - 1) for name, argument in value.keywords.items()}
        return partial(relinked(value.func, clones, depth - 1), *arguments, **named)
    if depth and type(value) in (dict, OrderedDict):
        return type(value)((key, relinked(item, clones, depth - 1)) for key, item in value.items())
    if depth and type(value) in (list, tuple, set):
        return type(value)(relinked(item, clones, depth - 1) for item in value)
    return value


def find_links(net: nn.Module) -> tuple[tuple[str, str], ...]:
    """Names of modules with those of their attributes that lead to modules of the tree beside it.

    A copy of the tree has to lead to its own modules there.
    """
    inside = {id(module) for module in net.modules()}
    return tuple(
        (name, attribute)
        for name, module in net.named_modules()
        for attribute, value in vars(module).items()
        if attribute not in ("_modules", "_parameters", "_buffers")
        and "hooks" not in attribute
        and any(id(found) in inside for found in modules_in(value))
    )


def refuse_hidden_references(net: nn.Module, chosen: Sequence[nn.Module]) -> None:
    """Refuse networks that reach a site in a way which binding would miss."""
    watched = {id(m) for m in chosen}
    copies = {id(m): nn.Module() for m in net.modules()}
    for owner, module in net.named_modules():
        if id(module) in watched and "forward" in vars(module):
            raise YotoError(
                f"Layer {owner!r} has a `forward` of its own object, which binding would miss. "
                "Subclass the layer, or leave it out with exclude=."
            )
        for attribute, value in vars(module).items():
            if attribute in ("_modules", "_parameters", "_buffers"):
                continue
            for target in modules_in(relinked(value, copies)):
                if any(id(m) in watched for m in target.modules()):
                    raise YotoError(
                        f"Attribute {attribute!r} of {owner or type(net).__name__!r} refers to a conditioned layer "
                        "outside the module tree, where its conditioning would be missed. Use nn.ModuleList or "
                        "nn.ModuleDict, or leave the layer out with exclude=."
                    )
