"""Which code sets attributes: of the object whose method or hook it is, or of others too."""

from __future__ import annotations

import dis
from enum import IntFlag
from functools import reduce
from inspect import unwrap
from operator import or_
from types import CodeType, FunctionType

from torch import nn


class Sets(IntFlag):
    """Whose attributes some code sets."""

    NOTHING = 0
    OWN = 1
    OTHERS = 2


OF_TENSORS = {"data", "grad", "requires_grad"}
"""Attributes that are set of tensors."""
SETTERS = {"setattr", "__setattr__"}
"""Functions that set attributes, of whatever object."""
FUNCTIONS: dict[CodeType, Sets] = {}
CLASSES: dict[type[nn.Module], Sets] = {}
"""What `sets` and `sets_attributes` found."""


def sets_attributes(cls: type[nn.Module]) -> Sets:
    """Whose attributes calls of a module set: its own if any method does, others' if `forward` comes to that."""
    if cls not in CLASSES:
        own = Sets.OWN if methods_that_set(cls) else Sets.NOTHING
        CLASSES[cls] = own | (by_forward(cls) & Sets.OTHERS)
    return CLASSES[cls]


def by_forward(cls: type[nn.Module]) -> Sets:
    """Whose attributes `forward` sets, or other methods whose names stand in it or in those."""
    known, setting = methods(cls), methods_that_set(cls)
    result, waiting, seen = Sets.NOTHING, ["forward"], {"forward"}
    while waiting:
        now = waiting.pop()
        result |= setting.get(now, Sets.NOTHING)
        named = {other for function in known.get(now, ()) for other in names_in(unwrap(function).__code__)}
        waiting += named.intersection(known) - seen
        seen |= named
    return result


def methods(cls: type[nn.Module]) -> dict[str, list[FunctionType]]:
    """The methods of a class by name, those of the classes that it derives from too, torch's own aside."""
    result: dict[str, list[FunctionType]] = {}
    for each in cls.__mro__:
        for name, function in vars(each).items() if not each.__module__.startswith("torch.") else ():
            if isinstance(function, FunctionType):
                result.setdefault(name, []).append(function)
    return result


def names_in(code: CodeType) -> set[str]:
    """The names of attributes and globals that code uses."""
    return set(code.co_names).union(*(names_in(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def methods_that_set(cls: type[nn.Module]) -> dict[str, Sets]:
    """The methods of a class that set attributes, its constructors aside, by name."""
    found = {name: reduce(or_, map(sets, functions)) for name, functions in methods(cls).items() if name != "__init__"}
    return {name: whose for name, whose in found.items() if whose}


def sets(function: FunctionType) -> Sets:
    """Whose attributes a function sets; its first argument is the object that it belongs to."""
    code = unwrap(function).__code__
    if code not in FUNCTIONS:
        FUNCTIONS[code] = sets_in(code, code.co_varnames[0] if code.co_argcount else "")
    return FUNCTIONS[code]


def sets_in(code: CodeType, own: str) -> Sets:
    """The same of code, in which the object has a name."""
    result = Sets.NOTHING if SETTERS.isdisjoint(code.co_names) else Sets.OTHERS
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for index, step in enumerate(steps):
        if step.opname == "STORE_ATTR" and step.argval not in OF_TENSORS:
            result |= Sets.OWN if gives(steps[:index], step.argval, own) else Sets.OTHERS
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            result |= sets_in(inner, own)
    return result


def gives(steps: list[dis.Instruction], attribute: str, own: str) -> bool:
    """Whether the object that an attribute is set of, behind these steps, is the one of that name.

    Of `own.x = …` it is loaded last; of `own.x += …` it was copied before its attribute was read.
    """
    last = steps[-1] if steps else None
    if last is not None and last.opname == "SWAP":
        read = [i for i, step in enumerate(steps) if step.opname == "LOAD_ATTR" and step.argval == attribute]
        place = next((i for i in reversed(read) if i > 1 and steps[i - 1].opname == "COPY"), None)
        last = None if place is None else steps[place - 2]
    loads = last is not None and last.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "STORE_FAST_LOAD_FAST"))
    return loads and last is not None and last.argrepr.rpartition(", ")[2] == own
