"""Binding a network at a λ: a shallow clone of its module tree in which each site holds its own scale and shift."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from yoto.conditioning.folding import Site
from yoto.errors import YotoError

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Modulation:
    """FiLM values of one site for one λ (scale [C]) or for a λ per sample (scale [B, C]).

    Attributes:
        scale: [C] or [B, C].
        shift: Likewise, or None where the layer has no bias.
        batch_dim: Axis of the layer's output that holds the samples.
    """

    site: Site
    scale: Tensor
    shift: Tensor | None
    batch_dim: int

    def __call__(self, output: Tensor) -> Tensor:
        """scale·output + shift per channel.

        Raises:
            YotoError: If λ is per sample and the output has no batch of that size at `batch_dim`.
        """
        axis = self.site.layer.channel_axis(output)
        shape = [1] * output.ndim
        shape[axis] = self.site.layer.channels
        if self.scale.ndim == 2:
            samples = self.scale.shape[0]
            if axis == self.batch_dim or output.ndim <= self.batch_dim or output.shape[self.batch_dim] != samples:
                raise YotoError(
                    f"With a λ per sample, the output of layer {self.site.name!r} should have {samples} samples in "
                    f"dimension {self.batch_dim}. Found shape {tuple(output.shape)}. Set batch_dim= of condition(), "
                    "give one λ for the whole batch, or leave the layer out."
                )
            shape[self.batch_dim] = samples
        scale = self.scale.to(output.device, output.dtype).view(shape)
        if self.shift is None:
            return output * scale
        return torch.addcmul(self.shift.to(output.device, output.dtype).view(shape), output, scale)


class FiLMSite(nn.Module):
    """Mixed into a layer's class when it is bound at a λ: the layer, followed by its modulation."""

    film: Modulation

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The layer's output, modulated."""
        if self.film.scale.requires_grad and not torch.compiler.is_compiling() and not torch.is_grad_enabled():
            refuse_reentrant_checkpoint(self.film.site.name)
        return self.film(super().forward(*args, **kwargs))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return rebuild_site, (type(self).__mro__[2],), dict(self.__dict__)


SITE_CLASSES: dict[type[nn.Module], type[nn.Module]] = {}


def site_class(base: type[nn.Module]) -> type[nn.Module]:
    """The class of `base` layers that are bound: still a `base`, with the same parameters."""
    if base not in SITE_CLASSES:  # a dictionary, since torch.compile traces through functools.cache
        SITE_CLASSES[base] = type(f"FiLM{base.__name__}", (FiLMSite, base), {"__doc__": FiLMSite.__doc__})
    return SITE_CLASSES[base]


def rebuild_site(base: type[nn.Module]) -> nn.Module:
    """An empty bound layer, for pickling and copying."""
    cls = site_class(base)
    return cls.__new__(cls)


def refuse_bound(net: nn.Module, action: str) -> None:
    """Refuse a network that is bound at a λ where its plain parameters alone would be taken."""
    if any(isinstance(m, FiLMSite) for m in net.modules()):
        raise YotoError(
            f"A network to {action} should be plain or conditional. Found one bound at a λ, whose weights are "
            "those before conditioning. Give model.bake(…) in place of model.at(…)."
        )


def refuse_reentrant_checkpoint(name: str) -> None:
    """Reentrant checkpointing would lose the conditioning network's gradient; find it on the stack."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("checkpoint.py") and frame.f_code.co_name in (
            "forward",
            "backward",
        ):
            raise YotoError(
                f"Layer {name!r} should not run under reentrant checkpointing, which loses gradients of the FiLM "
                "values. Give use_reentrant=False to torch.utils.checkpoint.checkpoint."
            )
        frame = frame.f_back  # type: ignore[assignment]


def registered(root: nn.Module, name: str) -> nn.Module:
    """A module below `root`, itself even where torch.export puts proxies before what is registered under two names."""
    for part in name.split(".") if name else ():
        root = root.__dict__["_modules"][part]
    return root


def bound_clone(root: M, modulations: Mapping[str, Modulation]) -> M:
    """A shallow copy of the module tree: same parameters and buffers, sites with their modulation attached.

    Args:
        root: The plain network.
        modulations: By site name, as in `root.named_modules()`.
    """
    by_module = {id(registered(root, name)): m for name, m in modulations.items()}
    clones: dict[int, nn.Module] = {}

    def clone(module: nn.Module) -> nn.Module:
        if id(module) in clones:
            return clones[id(module)]
        modulation = by_module.get(id(module))
        cls = type(module) if modulation is None else site_class(type(module))
        new = object.__new__(cls)  # a torch.fx.GraphModule makes a new class in its own __new__
        clones[id(module)] = new
        new.__dict__.update(module.__dict__)
        new.__dict__.pop("_compiled_call_impl", None)  # of module.compile(): it would run the unbound original
        if modulation is not None:
            new.__dict__["film"] = modulation
        children = module.__dict__["_modules"]
        new.__dict__["_modules"] = {k: None if c is None else clone(c) for k, c in children.items()}
        return new

    return clone(root)  # type: ignore[return-value]
