"""Modules that a network reaches by another way than its module tree.

Through attributes and hooks that are or hold containers, records, bound methods, functions with a closure or weak
references.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import is_dataclass
from functools import partial
from itertools import chain
from types import CellType, FunctionType, MethodType, SimpleNamespace
from typing import Any

from torch import nn

from yoto.errors import YotoError

DEPTH = 4
"""Containers within containers that are looked into."""


def is_record(value: Any) -> bool:
    """Whether an object is there for its attributes: a dataclass or a namespace."""
    return hasattr(value, "__dict__") and (is_dataclass(value) or type(value) is SimpleNamespace)


def contents(cell: CellType) -> list[Any]:
    """What a cell of a closure holds: one object, or nothing yet."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def captured(function: FunctionType) -> list[Any]:
    """What a function holds of the place where it was made: its closure and its defaults."""
    cells = [held for cell in function.__closure__ or () for held in contents(cell)]
    return [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def recaptured(function: FunctionType, replace: Callable[[Any], Any]) -> FunctionType:
    """A function that holds what `replace` gives for what it captured; itself where that changes nothing."""
    made = {id(held): replace(held) for held in captured(function)}
    if all(made[id(held)] is held for held in captured(function)):
        return function
    cells = tuple(
        CellType(made[id(held[0])]) if (held := contents(cell)) and made[id(held[0])] is not held[0] else cell
        for cell in function.__closure__ or ()
    )
    defaults = None if function.__defaults__ is None else tuple(made[id(held)] for held in function.__defaults__)
    result = FunctionType(function.__code__, function.__globals__, function.__name__, defaults, cells or None)
    if function.__kwdefaults__ is not None:
        result.__kwdefaults__ = {name: made[id(held)] for name, held in function.__kwdefaults__.items()}
    result.__qualname__, result.__doc__ = function.__qualname__, function.__doc__
    result.__dict__.update(function.__dict__)
    return result


def modules_in(value: Any, depth: int = DEPTH) -> Iterator[nn.Module]:
    """Modules that an attribute's value leads to: through containers, records, functions and weak references."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, MethodType):
        yield from modules_in(value.__self__, depth)
    elif depth and isinstance(value, partial):
        yield from modules_in([value.func, *value.args, *value.keywords.values()], depth - 1)
    elif depth and isinstance(value, FunctionType):
        yield from modules_in(captured(value), depth - 1)
    elif depth and isinstance(value, weakref.ref):
        yield from modules_in(value(), depth - 1)
    elif depth and isinstance(value, (dict, list, tuple, set, deque)):
        for item in chain(value, value.values()) if isinstance(value, dict) else value:
            yield from modules_in(item, depth - 1)
    elif depth and is_record(value):
        yield from modules_in(vars(value), depth - 1)


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
    if depth and isinstance(value, FunctionType):
        return recaptured(value, lambda held: relinked(held, clones, depth - 1) if leads(held, clones, depth) else held)
    if depth and isinstance(value, weakref.ref):
        return weakref.ref(clones[id(value())]) if id(value()) in clones else value
    if depth and type(value) in (dict, OrderedDict):
        pairs = value.items()
        return type(value)((relinked(key, clones, depth - 1), relinked(item, clones, depth - 1)) for key, item in pairs)
    if depth and type(value) in (list, tuple, set):
        return type(value)(relinked(item, clones, depth - 1) for item in value)
    if depth and type(value) is deque:
        return deque((relinked(item, clones, depth - 1) for item in value), value.maxlen)
    if depth and is_record(value) and leads(value, clones, depth):
        result = copy(value)
        vars(result).update((name, relinked(item, clones, depth - 1)) for name, item in vars(value).items())
        return result
    return value


def leads(value: Any, clones: Mapping[int, nn.Module], depth: int) -> bool:
    """Whether an object leads to a module that has a clone: else it may be one that others share, and stays."""
    return any(id(module) in clones for module in modules_in(value, depth - 1))


def find_links(net: nn.Module) -> tuple[tuple[str, str], ...]:
    """Names of modules with those of their attributes, hooks included, that lead to modules of the tree beside it.

    A copy of the tree has to lead to its own modules there.
    """
    inside = {id(module) for module in net.modules()}
    return tuple(
        (name, attribute)
        for name, module in net.named_modules()
        for attribute, value in vars(module).items()
        if attribute not in ("_modules", "_parameters", "_buffers")
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
