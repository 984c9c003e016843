"""Copies of networks, whatever earlier calls left in them."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

M = TypeVar("M", bound=nn.Module)


def copy_of(net: M) -> M:
    """A deep copy. Results of earlier calls that the network keeps (activations, attention maps, weights that a hook
    computes) come without their graphs, with which torch copies none. Scripted functions, which it does not copy
    either, are shared.
    """
    kept = (leaf for module in net.modules() for leaf in pytree.tree_leaves(list(vars(module).values())))
    memo: dict[int, Any] = {}
    for leaf in kept:
        if isinstance(leaf, Tensor) and not leaf.is_leaf:
            memo[id(leaf)] = leaf.detach().clone()
        elif isinstance(leaf, torch.jit.ScriptFunction):
            memo[id(leaf)] = leaf
    return copy.deepcopy(net, memo)
