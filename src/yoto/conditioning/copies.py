"""Copies of networks, whatever earlier calls left in them."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.utils import _pytree as pytree

M = TypeVar("M", bound=nn.Module)


def copy_of(net: M) -> M:
    """A deep copy. Results of earlier calls that the network keeps (activations, attention maps, weights that a hook
    computes) come without their graphs, with which torch copies none.
    """
    kept = (leaf for module in net.modules() for leaf in pytree.tree_leaves(list(vars(module).values())))
    memo: dict[int, Any] = {
        id(leaf): leaf.detach().clone() for leaf in kept if isinstance(leaf, Tensor) and not leaf.is_leaf
    }
    return copy.deepcopy(net, memo)
