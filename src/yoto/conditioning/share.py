"""How much of a network its conditioned layers reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

ENOUGH = 0.25
"""Share of the parameters below which a remark says how much is conditioned."""


def share(net: nn.Module, chosen: Iterable[str], after: Mapping[int, nn.Module]) -> tuple[int, int, float]:
    """Modules with parameters that are reached, all of them, and the reached ones' share of the parameters.

    Reached are conditioned layers and those right in front of a conditioned norm.

    Args:
        chosen: Names of the conditioned layers.
        after: The norm behind a layer, by the layer's id.
    """
    sites = {id(net.get_submodule(name)) for name in chosen}
    owners = [module for module in net.modules() if next(module.parameters(recurse=False), None) is not None]
    reached = [module for module in owners if id(module) in sites or id(after.get(id(module))) in sites]
    sizes = [sum(p.numel() for m in modules for p in m.parameters(recurse=False)) for modules in (reached, owners)]
    return len(reached), len(owners), sizes[0] / max(sizes[1], 1)


def share_remark(net: nn.Module, chosen: Iterable[str], after: Mapping[int, nn.Module]) -> str:
    """How many layers and parameters are conditioned, or "" where that is most of the network."""
    reached, owners, part = share(net, chosen, after)
    if part >= ENOUGH:
        return ""
    return (
        f"{reached} of {owners} layers are conditioned, {100 * part:.{0 if part >= 0.01 else 1}f} % of the parameters"
    )


def unknown_layers(net: nn.Module, chosen: Iterable[str], named: Iterable[str], after: Mapping[int, nn.Module]) -> int:
    """How many layers of other classes than torch's an example might show to fold.

    Args:
        named: Layers that were left out for a reason.
    """
    known = {id(net.get_submodule(name)) for name in (*chosen, *named)} | set(after)
    return sum(
        id(module) not in known and not type(module).__module__.startswith("torch.")
        for module in net.modules()
        if not list(module.children()) and next(module.parameters(recurse=False), None) is not None
    )
