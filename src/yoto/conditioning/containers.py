"""Dictionaries, lists, sets and records that modules keep: in evaluation each bound network has its own, of one λ.

So it has places for buffers that are empty yet. In training they stay those of the plain network: counters, queues and
memories go on from call to call.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from copy import copy
from dataclasses import is_dataclass
from types import FunctionType, SimpleNamespace
from typing import Any

from torch import Tensor, nn

from yoto.conditioning.references import DEPTH, captured

COPIED = frozenset([dict, list, set, OrderedDict, defaultdict, Counter, deque])


class Kinds(dict[type, bool]):
    """By class, whether its objects keep something of their own: containers, and records but for frozen dataclasses."""

    def __missing__(self, kind: type) -> bool:
        fields = is_dataclass(kind) and not kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        self[kind] = fields and bool(kind.__dictoffset__) and not issubclass(kind, (nn.Module, Tensor))
        return self[kind]


KEEPS = Kinds(dict.fromkeys([*COPIED, SimpleNamespace], True))
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
    kept = []
    for clone in clones.values():
        held = clone.__dict__
        if held["training"]:
            continue
        buffers = held["_buffers"]
        if buffers and any(buffer is None for buffer in buffers.values()):
            held["_buffers"] = buffers.copy()
        kept += [(clone, n, value) for n, value in held.items() if KEEPS[type(value)] and n not in TORCHS]
    if not kept:
        return
    hooks = (hook for clone in clones.values() for name in HOOKS for hook in vars(clone)[name].values())
    shared = {id(held) for hook in hooks if isinstance(hook, FunctionType) for held in captured(hook)}
    made: dict[int, Any] = {}
    for clone, name, value in kept:
        if id(value) not in shared:
            vars(clone)[name] = separated(value, clones, made)


def separated(value: Any, clones: Mapping[int, nn.Module], made: dict[int, Any], depth: int = DEPTH) -> Any:
    """A copy of a container or record with those in it copied and the modules in it replaced; others as they are."""
    if isinstance(value, nn.Module):
        return clones.get(id(value), value)
    if not depth or not KEEPS[type(value)]:
        return value
    if id(value) not in made:
        made[id(value)] = result = copy(value)
        entries = result if type(value) in COPIED else vars(result)
        if len(entries) <= LOOKED_INTO and not isinstance(entries, set):
            for key, item in list(entries.items() if isinstance(entries, dict) else enumerate(entries)):
                entries[key] = separated(item, clones, made, depth - 1)
    return made[id(value)]
