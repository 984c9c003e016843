"""Which layers' parameters a network uses beside calling the layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from yoto.conditioning.taps import Tap, remove_all, tap

ABOUT = {Tensor.to, Tensor.type_as, *(getattr(torch, n) for n in dir(torch) if n.endswith("_like"))}
ABOUT |= {getattr(Tensor, n) for n in dir(Tensor) if n.startswith("new_")}
"""Functions that take a tensor for its type, shape or device alone."""


class Reads(TorchFunctionMode):
    """A block in which a network runs: notes whose parameters are used while none of their owners runs.

    Attributes:
        names: Of the layers, those that only hold the parameter of another included.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.owners: dict[int, set[str]] = {}
        self.running: list[str] = []
        self.handles: list[Any] = []
        self.taps: list[Tap] = []
        for name, module in net.named_modules():
            own = list(module.parameters(recurse=False))
            for parameter in own:
                self.owners.setdefault(id(parameter), set()).add(name)
            if own:
                begin = partial(self.running.append, name)
                self.handles.append(module.register_forward_pre_hook(lambda *_, begin=begin: begin()))
                self.handles.append(module.register_forward_hook(lambda *_: self.left()))  # behind the user's hooks
                self.taps.append(tap(module, begin=begin, leave=self.left))  # called past the hooks

    def left(self) -> None:
        """A layer is done."""
        self.running.pop()

    def __exit__(self, *error: Any) -> None:
        for handle in self.handles:
            handle.remove()
        remove_all(self.taps)
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in ABOUT and any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(result)):
            for leaf in pytree.tree_leaves((args, kwargs)):
                if leaf is result:
                    continue  # changed in place: `probe` looks whether it did change
                owners = self.owners.get(id(leaf), set())
                if not owners.intersection(self.running):
                    self.names |= owners
        return result
