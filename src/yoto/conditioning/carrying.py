"""Attributes that a network's own code sets as it trains (a flag, a counter, a running value): they go on from call to
call, as in the plain network.
"""

from __future__ import annotations

import dis
from collections.abc import Mapping
from enum import Enum
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.utils import _pytree as pytree

from yoto.conditioning.containers import HOOKS, TORCHS

DATA = (
    *(bool, int, float, complex, str, bytes, type(None), Enum, np.ndarray, np.generic),
    *(Tensor, torch.dtype, torch.device, torch.layout),
)
STORES = {"setattr", "__setattr__"}
"""Functions that set attributes."""
SETTING: dict[type[nn.Module], bool] = {}
"""What `sets_attributes` found."""


class Passing:
    """What a hook of a bound network derives from where it is none of the user's."""


class Keep(Passing):
    """A forward hook of a bound module: what the call set is set in the module that it stands for.

    It is not where the call made something that stays with the bound network (a hook, a layer, a list of layers): a
    flag may say that it is there.

    Args:
        plain: The module of the plain network.
        clone: The bound one, before it runs.
    """

    def __init__(self, plain: nn.Module, clone: nn.Module) -> None:
        self.plain = plain
        self.before = {name: value for name, value in vars(clone).items() if name not in TORCHS}

    def __reduce__(self) -> Any:
        return Gone, ()

    def __call__(self, clone: nn.Module, *_: Any) -> None:
        if not clone.training:  # by now: a comparison of networks that train, say
            return
        values = {name: value for name, value in vars(clone).items() if name not in TORCHS}
        new = {name: value for name, value in values.items() if self.before.get(name, self) is not value}
        if new:
            self.before = values
            if all(is_data(value) for value in new.values()) and alike(self.plain, clone):
                vars(self.plain).update((name, value) for name, value in new.items() if lasting(value))


class Gone(Passing):
    """What is left of that hook in a copy."""

    def __call__(self, *_: Any) -> None:
        """Nothing."""


def carry(clones: Mapping[int, nn.Module], root: nn.Module) -> None:
    """Let attributes that the code of training modules sets in a call go on in the plain network.

    Args:
        clones: The bound modules, by the id of what they stand for.
        root: The plain network.
    """
    for module in root.modules():
        if module.__dict__["training"] and sets_attributes(type(module)):
            clone = clones[id(module)]
            clone.register_forward_hook(Keep(module, clone))


def sets_attributes(cls: type[nn.Module]) -> bool:
    """Whether methods of a class set attributes, its constructors and what torch defines aside."""
    if cls not in SETTING:
        SETTING[cls] = any(
            isinstance(function, FunctionType) and name != "__init__" and stores(unwrap(function).__code__)
            for each in cls.__mro__
            if not each.__module__.startswith("torch.")
            for name, function in vars(each).items()
        )
    return SETTING[cls]


def stores(code: CodeType) -> bool:
    """Whether a function's code sets attributes."""
    return (
        not STORES.isdisjoint(code.co_names)
        or any(step.opname == "STORE_ATTR" for step in dis.get_instructions(code))
        or any(isinstance(inner, CodeType) and stores(inner) for inner in code.co_consts)
    )


def alike(plain: nn.Module, clone: nn.Module) -> bool:
    """Whether two modules have as many hooks and children of the same names, and these likewise."""
    mine, its = plain.__dict__["_modules"], clone.__dict__["_modules"]
    return (
        mine.keys() == its.keys()
        and all(hooks_of(plain, name) == hooks_of(clone, name) for name in HOOKS)
        and all(
            child is its[name] or (child is not None and its[name] is not None and alike(child, its[name]))
            for name, child in mine.items()
        )
    )


def hooks_of(module: nn.Module, name: str) -> int:
    """How many hooks of a kind a module has that are the user's."""
    hooks = filter(callable, module.__dict__[name].values())
    return sum(not isinstance(getattr(hook, "__self__", hook), Passing) for hook in hooks)


def is_data(value: Any) -> bool:
    """Whether a value is made of numbers, text, tensors and what describes these."""
    if isinstance(value, dict):
        return all(is_data(key) and is_data(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(is_data, value))
    return isinstance(value, DATA)


def lasting(value: Any) -> bool:
    """Whether data may outlive a call: no tensor among them has a graph."""
    return all(
        type(leaf) is Tensor and not leaf.requires_grad and not is_functorch_wrapped_tensor(leaf)
        for leaf in pytree.tree_leaves(value)
        if isinstance(leaf, Tensor)
    )
