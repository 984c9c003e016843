"""Which code sets attributes: of the object whose method or hook it is, or of others too."""

from __future__ import annotations

import dis
from enum import IntFlag
from inspect import unwrap
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
METHODS: dict[type[nn.Module], dict[str, Sets]] = {}
FUNCTIONS: dict[CodeType, Sets] = {}
CLASSES: dict[type[nn.Module], Sets] = {}
REACHED: dict[tuple[type[nn.Module], str], Sets] = {}
"""What `methods_that_set`, `sets`, `sets_attributes` and `reached` found."""


def sets_attributes(cls: type[nn.Module]) -> Sets:
    """Whose attributes calls of a module set: its own if any method does, others' if `forward` comes to that."""
    if cls not in CLASSES:
        own = Sets.OWN if methods_that_set(cls) else Sets.NOTHING
        CLASSES[cls] = own | (reached(cls, "forward") & Sets.OTHERS)
    return CLASSES[cls]


def reached(cls: type[nn.Module], name: str) -> Sets:
    """Whose attributes a method of a class sets, or other methods whose names stand in it or in those."""
    if (cls, name) not in REACHED:
        result, waiting, seen = Sets.NOTHING, [name], {name}
        while waiting:
            now = waiting.pop()
            result |= methods_that_set(cls).get(now, Sets.NOTHING)
            named = {other for function in functions(cls, now) for other in names_in(unwrap(function).__code__)}
            waiting += [other for other in named if other not in seen and hasattr(cls, other)]
            seen |= named
        REACHED[cls, name] = result
    return REACHED[cls, name]


def functions(cls: type[nn.Module], name: str) -> list[FunctionType]:
    """What a class and those that it derives from have under a name, torch's own aside."""
    found = [vars(each).get(name) for each in cls.__mro__ if not each.__module__.startswith("torch.")]
    return [function for function in found if isinstance(function, FunctionType)]


def names_in(code: CodeType) -> set[str]:
    """The names of attributes and globals that code uses."""
    return set(code.co_names).union(*(names_in(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def methods_that_set(cls: type[nn.Module]) -> dict[str, Sets]:
    """The methods of a class that set attributes, by name."""
    if cls not in METHODS:
        found = METHODS[cls] = dict[str, Sets]()
        for each in cls.__mro__:
            for name, function in vars(each).items() if not each.__module__.startswith("torch.") else ():
                if isinstance(function, FunctionType) and name != "__init__" and sets(function):
                    found[name] = found.get(name, Sets.NOTHING) | sets(function)
    return METHODS[cls]


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
