"""Copies of networks, whatever earlier calls left in them."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator, Mapping
from operator import is_
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from yoto.conditioning.fast_path import leave_fast_path
from yoto.conditioning.references import DEPTH, recaptured
from yoto.errors import YotoError

M = TypeVar("M", bound=nn.Module)
DOUBLE = (torch.float64, torch.complex128)
SHARED = (type, FunctionType, ModuleType)
"""What a deep copy holds as it is."""


def copy_of(net: M) -> M:
    """A deep copy. Results of earlier calls that the network keeps (activations, attention maps, weights that a hook
    computes) come without their graphs, with which torch copies none. Scripted functions, which it does not copy
    either, are shared.
    """
    memo = uncopied(net)
    result = copy.deepcopy(net, memo)
    follow(result, memo)
    return result


def copied(net: nn.Module) -> nn.Module:
    """A copy of a network to run: in evaluation mode, with buffers and random states of its own."""
    try:
        result = copy_of(net).eval()
    except Exception as error:  # noqa: BLE001 - whatever a network's own parts raise
        raise YotoError(f"The network cannot be copied: {' '.join(str(error).split())[:150]}.") from None
    leave_fast_path(result.modules())
    return result


def doubled(value: Tensor) -> Tensor:
    """A tensor in double precision, if it is of floating point, real or complex; any other as it is."""
    if value.is_complex():
        return value.to(torch.complex128)
    return value.double() if value.is_floating_point() else value


def double(net: M) -> M:
    """A network with all its numbers in double precision, in place; `nn.Module.double` leaves out complex ones."""
    net._apply(doubled)  # type: ignore[no-untyped-call]
    return net


def uncopied(net: nn.Module) -> dict[int, Any]:
    """What stands in a copy for that which torch does not copy, by its id: in modules and the objects they hold."""
    memo: dict[int, Any] = {}
    seen: set[int] = {id(net)}
    waiting: list[Any] = [net]
    while waiting:
        for leaf in held(waiting.pop()):
            if isinstance(leaf, Tensor):
                if not leaf.is_leaf:
                    memo[id(leaf)] = leaf.detach().clone()
            elif isinstance(leaf, torch.jit.ScriptFunction):
                memo[id(leaf)] = leaf
            elif hasattr(leaf, "__dict__") and not isinstance(leaf, SHARED) and id(leaf) not in seen:
                seen.add(id(leaf))
                waiting.append(leaf)
    return memo


def held(value: Any) -> Iterator[Any]:
    """What lies in an object's attributes, and in its containers."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, set)) else ()
    for leaf in pytree.tree_leaves([*vars(value).values(), *inside]):
        yield leaf.__self__ if isinstance(leaf, MethodType) else leaf


def follow(net: nn.Module, memo: Mapping[int, Any]) -> None:
    """Lead functions and weak references of a network's copy to what was copied, as `deepcopy` does not.

    A hook that stores an activation in the network (`self.features[name] = output`) would store it in the original.

    Args:
        memo: What was copied, by the original's id.
    """
    for module in net.modules():
        for name, value in list(vars(module).items()):
            if name not in ("_parameters", "_buffers", "_modules"):
                vars(module)[name] = followed(value, memo)


def followed(value: Any, memo: Mapping[int, Any], depth: int = DEPTH) -> Any:
    """A copied attribute with its functions and weak references led to copies; containers are changed in place."""
    if depth and isinstance(value, (FunctionType, weakref.ref)):
        return led(value, memo, depth)
    if depth and isinstance(value, (dict, list)):
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            new = followed(item, memo, depth - 1)
            if new is not item:
                value[key] = new
    elif depth and type(value) is tuple:
        items = tuple(followed(item, memo, depth - 1) for item in value)
        return value if all(map(is_, items, value)) else items
    return value


def led(value: Any, memo: Mapping[int, Any], depth: int) -> Any:
    """The same of a function or a weak reference."""
    if isinstance(value, weakref.ref):
        target = value()
        return value if target is None or id(target) not in memo else weakref.ref(memo[id(target)])

    def replace(held: Any) -> Any:
        if id(held) in memo:
            return memo[id(held)]
        return led(held, memo, depth - 1) if depth and isinstance(held, (FunctionType, weakref.ref)) else held

    return recaptured(value, replace)
