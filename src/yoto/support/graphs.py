"""Calls whose results are only looked at: without a graph for backward, but where the call itself differentiates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

T = TypeVar("T")
NEEDED = "does not require grad"
"""Of torch's messages where something is differentiated that has no graph."""


def without_graph(call: Callable[[], T]) -> T:
    """What `call()` gives, its tensors detached. It is made without a graph, and once more with one if it needs that.

    Networks and loss terms differentiate where they are physics (residuals of equations, forces of an energy) or
    penalise gradients. A call that draws random numbers should seed them itself, since it may be made twice.

    >>> def slope():
    ...     x = torch.tensor(3.0).requires_grad_()
    ...     return torch.autograd.grad(x**2, x, create_graph=True)[0]
    >>> without_graph(slope)
    tensor(6.)
    """
    try:
        with torch.no_grad():
            return call()
    except RuntimeError as error:
        if NEEDED not in str(error):
            raise
    with torch.inference_mode(False), torch.enable_grad():
        return cast("T", pytree.tree_map_only(Tensor, Tensor.detach, call()))
