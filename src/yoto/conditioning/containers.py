"""Dictionaries, lists and sets that modules keep: in evaluation each bound network has its own, of its λ alone.

In training they stay those of the plain network: counters, queues and memories go on from call to call.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from torch import nn

from yoto.conditioning.references import DEPTH, captured

COPIED = frozenset([dict, list, set, OrderedDict, defaultdict, Counter, deque])
LOOKED_INTO = 100
"""Entries up to which a container is looked into, for containers and modules; a longer one (a vocabulary) is not."""
TORCHS = frozenset(vars(nn.Module()))
"""Attributes of every module."""
HOOKS = tuple(name for name, value in vars(nn.Module()).items() if "hooks" in name and isinstance(value, dict))
"""Those that hold its hooks."""


def separate(clones: Mapping[int, nn.Module]) -> None:
    """Give the modules of a bound network that evaluate containers of their own; one that several hold stays one.

    Those that a hook holds in its closure stay as they are: what it writes is read where it was made.

    Args:
        clones: The modules, by the id of what they stand for.
    """
    kept = [
        (clone, name, value)
        for clone in clones.values()
        if not clone.__dict__["training"]
        for name, value in clone.__dict__.items()
        if type(value) in COPIED and name not in TORCHS
    ]
    if not kept:
        return
    hooks = (hook for clone in clones.values() for name in HOOKS for hook in vars(clone)[name].values())
    shared = {id(held) for hook in hooks if isinstance(hook, FunctionType) for held in captured(hook)}
    made: dict[int, Any] = {}
    for clone, name, value in kept:
        if id(value) not in shared:
            vars(clone)[name] = separated(value, clones, made)


def separated(value: Any, clones: Mapping[int, nn.Module], made: dict[int, Any], depth: int = DEPTH) -> Any:
    """A copy of a container with the containers in it copied and the modules in it replaced; others as they are."""
    if isinstance(value, nn.Module):
        return clones.get(id(value), value)
    if not depth or type(value) not in COPIED:
        return value
    if id(value) not in made:
        made[id(value)] = copy = value.copy()
        if len(value) <= LOOKED_INTO and not isinstance(value, set):
            for key, item in list(copy.items() if isinstance(copy, dict) else enumerate(copy)):
                copy[key] = separated(item, clones, made, depth - 1)
    return made[id(value)]
