"""Attributes that a network's own code sets as it trains (a flag, a counter, a running value): they go on from call to
call, as in the plain network.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.utils import _pytree as pytree

from yoto.conditioning.containers import HOOKS, TORCHS
from yoto.conditioning.stores import Sets, sets, sets_attributes

DATA = (
    *(bool, int, float, complex, str, bytes, type(None), Enum, np.ndarray, np.generic),
    *(Tensor, torch.dtype, torch.device, torch.layout),
)


class Passing:
    """What a hook of a bound network derives from where it is none of the user's."""


class Silent(Passing):
    """What is left of such a hook in a copy."""

    def __call__(self, *_: Any, **__: Any) -> None:
        """Nothing."""


class Keep(Passing):
    """A forward hook of a bound module: what the call set is set in the module that it stands for.

    It is not where the call made something that stays with the bound network (a hook, a layer, a list of layers): a
    flag may say that it is there. Only calls of modules count: for those of other methods the bound modules would have
    to be of classes of their own, which networks look at (those of transformers do when they collect attentions).

    Args:
        plain: The module of the plain network.
        clone: The bound one, before it runs.
        whose: Whose attributes its calls may set; of others it looks at the modules below it.
    """

    def __init__(self, plain: nn.Module, clone: nn.Module, whose: Sets) -> None:
        self.plain, self.before = plain, attributes(clone)
        self.below: list[tuple[nn.Module, nn.Module, dict[str, Any]]] = []
        if whose & Sets.OTHERS:
            bound = dict(clone.named_modules())
            pairs = [(module, bound[name]) for name, module in plain.named_modules() if name and name in bound]
            self.below = [(module, other, attributes(other)) for module, other in pairs]

    def __reduce__(self) -> Any:
        return Silent, ()

    def __call__(self, clone: nn.Module, *_: Any) -> None:
        self.before = carried(self.plain, clone, self.before)
        self.below = [(plain, bound, carried(plain, bound, before)) for plain, bound, before in self.below]


def attributes(module: nn.Module) -> dict[str, Any]:
    """A module's attributes, without those that every module has, and what is here of yoto (a layer's modulation)."""
    return {name: value for name, value in vars(module).items() if name not in TORCHS and not name.endswith(" of yoto")}


def carried(plain: nn.Module, bound: nn.Module, before: dict[str, Any]) -> dict[str, Any]:
    """Set what a bound module has otherwise than before in the plain one; what it has by now."""
    if not bound.training:  # by now: networks that train are compared in evaluation, say
        return before
    values = attributes(bound)
    new = {name: value for name, value in values.items() if before.get(name, before) is not value}
    if not new:
        return before
    if all(is_data(value) for value in new.values()) and alike(plain, bound):
        vars(plain).update((name, value) for name, value in new.items() if lasting(value, known(plain, name)))
    return values


def known(plain: nn.Module, name: str) -> bool:
    """Whether a module or its class has an attribute of that name."""
    return name in vars(plain) or hasattr(type(plain), name)


def carry(clones: Mapping[int, nn.Module], root: nn.Module) -> None:
    """Let attributes that the code of training modules sets in a call go on in the plain network.

    Args:
        clones: The bound modules, by the id of what they stand for.
        root: The plain network.
    """
    found: list[tuple[nn.Module, Sets]] = []
    for module in root.modules():
        held = module.__dict__
        if held["training"]:
            kind = sets_attributes(type(module))
            if held["_forward_hooks"] or held["_forward_pre_hooks"]:
                hooks = by_hooks(module)
                kind |= hooks
                if hooks & Sets.OTHERS and root.training:  # it may be any module's attributes
                    found.append((root, hooks))
            if kind:
                found.append((module, kind))
    for module, kind in found:
        clone = clones[id(module)]
        clone.register_forward_hook(Keep(module, clone, kind))


def by_hooks(module: nn.Module) -> Sets:
    """Whose attributes the functions set that a module has for hooks."""
    result = Sets.NOTHING
    for name in ("_forward_pre_hooks", "_forward_hooks"):
        for hook in module.__dict__[name].values():
            result |= sets(hook) if isinstance(hook, FunctionType) else Sets.NOTHING
    return result


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


def lasting(value: Any, known: bool) -> bool:
    """Whether data may outlive a call: no tensor among them has a graph, but for an attribute that there was before.

    Such a one (a hidden state) is as it is in the plain network, which takes it out of its graph where it goes on.
    """
    return all(
        type(leaf) is Tensor and (known or not leaf.requires_grad) and not is_functorch_wrapped_tensor(leaf)
        for leaf in pytree.tree_leaves(value)
        if isinstance(leaf, Tensor)
    )
