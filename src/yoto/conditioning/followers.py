"""Which convolution or linear layer has a norm behind it that undoes its scale."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.modules.conv import _ConvNd

from yoto.conditioning.folding import NORMS
from yoto.conditioning.probing import Found

PASSED = (nn.Identity, nn.Dropout, nn.Dropout2d)


def width(module: nn.Module | None) -> int:
    """Channels that a norm expects or a layer gives."""
    attributes = ("num_features", "num_channels", "out_channels", "out_features")
    return next((int(getattr(module, a)) for a in attributes if hasattr(module, a)), -1)


def undoes(norm: nn.Module, layer: nn.Module) -> bool:
    """Whether a module is a batch, instance or group norm of a convolution's or linear layer's width.

    Layer norms are left out: they mix all channels, and in transformers the order of registration is not that of use.
    """
    return (
        isinstance(layer, (_ConvNd, nn.Linear))
        and isinstance(norm, NORMS)
        and not isinstance(norm, (nn.LayerNorm, nn.RMSNorm))
        and width(norm) == width(layer)
    )


def leaves(net: nn.Module) -> list[nn.Module]:
    """Modules without children, and norms whatever they hold, in the order of registration."""
    inner = {id(m) for norm in net.modules() if isinstance(norm, NORMS) for m in norm.modules() if m is not norm}
    return [
        m
        for m in net.modules()
        if id(m) not in inner and (isinstance(m, NORMS) or not any(True for _ in m.children()))
        and not isinstance(m, PASSED)
    ]  # fmt: skip


def listed(parent: nn.Module) -> Iterator[nn.Module]:
    """The children of a module, with those of lists and dictionaries in their place."""
    for child in parent.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from child.children()
        else:
            yield child


def find_followers(net: nn.Module, found: Found | None = None) -> dict[int, nn.Module]:
    """The norm behind each convolution and linear layer that has one, by the layer's id.

    By what a probing run saw, where there is one. Else by the order of registration: the module behind a layer (dropout
    and identity passed over); and among the children of one module (those of its lists too) layers and norms of one
    width in pairs.
    """
    if found is not None:
        return seen_followers(net, found)
    after = {id(a): b for a, b in pairwise(leaves(net)) if undoes(b, a)}
    taken = {id(norm) for norm in after.values()}
    for parent in net.modules():
        if isinstance(parent, nn.Sequential):
            continue
        waiting: list[nn.Module] = []
        for child in listed(parent):
            if isinstance(child, NORMS) and id(child) not in taken:
                layer = next((layer for layer in waiting if undoes(child, layer)), None)
                if layer is not None:
                    waiting.remove(layer)
                    after[id(layer)] = child
            elif id(child) not in after:
                waiting.append(child)
    return after


def seen_followers(net: nn.Module, found: Found) -> dict[int, nn.Module]:
    """The same by what a probing run saw: the norm got what the layer gave."""
    modules = dict(net.named_modules())
    norms = [name for name in found.calls if isinstance(modules[name], NORMS)]
    after: dict[int, nn.Module] = {}
    for name, calls in found.calls.items():
        for norm in norms:
            if undoes(modules[norm], modules[name]) and any(a.feeds(b) for a in calls for b in found.calls[norm]):
                after[id(modules[name])] = modules[norm]
    return after
