"""Which layers of a network are conditioned, which stand right before one, and which are not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.utils import _pytree as pytree

KNOWN = (_ConvNd, nn.Linear, _BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@dataclasses.dataclass
class Coverage:
    """Counts of layers.

    Attributes:
        folds: Layers of classes that fold, with affine parameters of their own, and sites of other classes.
        called: Those of them that ran in the example by being called.
        sites: Conditioned layers.
        before: Layers called right before a conditioned one: their output is its input.
        missing: Called layers that fold and are neither, by name.
        odd: Classes of other modules with parameters of their own that are no site, with their number.
        still: Sites that never ran.
    """

    folds: int
    called: int
    sites: int
    before: int
    missing: list[str]
    odd: dict[str, int]
    still: list[str]

    @property
    def share(self) -> float:
        """Share of the called layers that fold which are conditioned or right before a conditioned one."""
        return 1 - len(self.missing) / max(self.called, 1)


def coverage(net: nn.Module, sites: Collection[str], run: Callable[[nn.Module], Any]) -> Coverage:
    """Runs the plain network once and follows which layer's output is which layer's input."""
    modules = dict(net.named_modules())
    kept: list[Tensor] = []  # so that no address is used twice
    made: dict[int, str] = {}
    before: set[str] = set()
    called: set[str] = set()

    def watch(name: str) -> None:
        def entered(module: nn.Module, args: Any, kwargs: Any) -> None:
            called.add(name)
            for tensor in pytree.tree_leaves((args, kwargs)):
                if isinstance(tensor, Tensor) and name in sites:
                    source = made.get(tensor.data_ptr())
                    if source is not None and source != name:
                        before.add(source)

        def left(module: nn.Module, args: Any, output: Any) -> None:
            for tensor in pytree.tree_leaves(output):
                if isinstance(tensor, Tensor):
                    kept.append(tensor)
                    made[tensor.data_ptr()] = name

        modules[name].register_forward_pre_hook(entered, with_kwargs=True)
        modules[name].register_forward_hook(left)

    folding = [n for n, m in modules.items() if n in sites or (isinstance(m, KNOWN) and has_weight(m))]
    for name in folding:
        watch(name)
    run(net)
    missing = [n for n in folding if n in called and n not in sites and n not in before]
    owners = (m for n, m in modules.items() if n not in folding and any(True for _ in m.parameters(recurse=False)))
    return Coverage(
        folds=len(folding),
        called=len(called),
        sites=len(sites),
        before=len([n for n in before if n not in sites]),
        missing=missing,
        odd=dict(Counter(type(m).__name__ for m in owners)),
        still=[n for n in sites if n not in called],
    )


def has_weight(module: nn.Module) -> bool:
    """Whether a layer has a weight, be it recomputed."""
    return getattr(module, "weight", None) is not None
