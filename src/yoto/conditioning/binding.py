"""Binding a network at a λ: a shallow clone of its module tree in which each site holds its own scale and shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from yoto.conditioning.carrying import carry
from yoto.conditioning.containers import HOOKS, separate
from yoto.conditioning.derived import derived
from yoto.conditioning.fast_path import FAST, leave_fast_path
from yoto.conditioning.folding import Site
from yoto.conditioning.layouts import SampleLayout, fitting
from yoto.conditioning.recomputing import watch
from yoto.conditioning.references import relinked
from yoto.errors import YotoError

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Modulation:
    """FiLM values of one site for one λ (scale [C]) or for a λ per sample (scale [B, C]).

    Attributes:
        scale: [C] or [B, C].
        shift: Likewise, or None where the layer has no bias.
        batch_dim: Axis of the layer's output that holds the samples, where no layout was learned.
        layouts: How outputs of layers hold the samples, by site, as learned from an example.
    """

    site: Site
    scale: Tensor
    shift: Tensor | None
    batch_dim: int
    layouts: Mapping[str, Sequence[SampleLayout]] = field(default_factory=dict)

    def __call__(self, output: Tensor) -> Tensor:
        """scale·output + shift per channel.

        Raises:
            YotoError: If the output has another number of channels, or λ is per sample and it does not hold as many
                samples.
        """
        axis = self.site.layer.channel_axis(output)
        if not 0 <= axis < output.ndim or output.shape[axis] != self.site.layer.channels:
            raise YotoError(
                f"The output of layer {self.site.name!r} should have {self.site.layer.channels} channels along axis "
                f"{axis}, as when it was conditioned. Found shape {tuple(output.shape)}. Usually another layer took "
                "its place: condition the network anew."
            )
        shape = [1] * output.ndim
        shape[axis] = self.site.layer.channels
        scale, shift = self.scale, self.shift
        if scale.ndim == 2 and scale.shape[0] == 1:
            scale, shift = scale[0], None if shift is None else shift[0]
        if output.is_nested:
            return self.jagged(output, axis, scale, shift)
        if scale.ndim == 2:
            layout = self.layout(output, axis)
            shape[layout.axis] = output.shape[layout.axis]
            scale, shift = layout.expand(scale, output), None if shift is None else layout.expand(shift, output)
            if layout.axis > axis:
                scale, shift = scale.T, None if shift is None else shift.T
        scale = scale.to(output.device, output.dtype)
        shift = None if shift is None else shift.to(output.device, output.dtype)
        if axis == 1 and set(shape[2:]) == {1} and is_planar(output):  # samples, if anywhere, lie first
            return per_plane(output, scale, shift)
        if shift is None:
            return output * scale.reshape(shape)
        return torch.addcmul(shift.reshape(shape), output, scale.reshape(shape))

    def __deepcopy__(self, memo: dict[int, Any]) -> Modulation:
        return replace(self, scale=copied(self.scale), shift=None if self.shift is None else copied(self.shift))

    def jagged(self, output: Tensor, axis: int, scale: Tensor, shift: Tensor | None) -> Tensor:
        """The same of a nested tensor [B, length, …, C] of torch's jagged layout."""
        if output.layout != torch.jagged or axis != output.ndim - 1 or (scale.ndim == 2 and len(scale) != len(output)):
            raise YotoError(
                f"A nested output of layer {self.site.name!r} should be jagged, its channels last, with a row of λ for "
                f"each of its {output.size(0)} samples or one λ. Found {output.layout}, channels along axis {axis}, "
                f"λ of {len(scale) if scale.ndim == 2 else 1} rows."
            )
        nested: Any = output
        values, offsets = nested.values(), nested.offsets()
        shape = [-1, *[1] * (values.ndim - 2), scale.shape[-1]]

        def rows(film: Tensor) -> Tensor:
            film = film.to(values.device, values.dtype)
            return film.repeat_interleave(offsets.diff(), 0).reshape(shape) if film.ndim == 2 else film

        result = values * rows(scale) + (0 if shift is None else rows(shift))
        return torch.nested.nested_tensor_from_jagged(result, offsets)

    def layout(self, output: Tensor, axis: int) -> SampleLayout:
        """How the output holds the samples of a λ per sample; `axis` is that of its channels."""
        samples, learned = self.scale.shape[0], self.layouts.get(self.site.name)
        layout = fitting(learned or (SampleLayout(output.ndim, self.batch_dim),), output, samples, axis)
        if layout is not None:
            return layout
        where = "the way that the example showed" if learned else f"dimension {self.batch_dim}"
        raise YotoError(
            f"With a λ per sample, the output of layer {self.site.name!r} should have {samples} samples in {where}. "
            f"Found shape {tuple(output.shape)}. Usually λ has another number of rows than the batch has samples, or "
            "the layer holds them otherwise: give condition(…, example=inputs) inputs like these (an example given "
            "before was unlike them), or batch_dim=, or leave the layer out with exclude=, or give one λ for the whole "
            "batch (graphs or texts of several lengths, one behind another)."
        )


def copied(values: Tensor) -> Tensor:
    """A copy of values, without the graph that they may have: no copy of a tensor has one."""
    return values.detach().clone().requires_grad_(values.is_leaf and values.requires_grad)


def is_planar(output: Tensor) -> bool:
    """Whether an output lies in the CPU's memory channel by channel, each in one piece, outside compiled graphs."""
    return (
        not torch.compiler.is_compiling()
        and type(output) is Tensor
        and output.device.type == "cpu"
        and output.dtype in (torch.float32, torch.float64)
        and output.ndim > 2
        and output.numel() > 0
        and output.is_contiguous()
    )


def per_plane(output: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
    """scale·output + shift of outputs [B, C, …], for scale and shift [C] or [B, C].

    As a batch norm with mean 0 and variance 1, which passes over the output once, and once for its three gradients, and
    needs no memory between them; `addcmul` takes three times as long on the CPU.
    """
    planes = output if scale.ndim == 1 else output.view(1, -1, *output.shape[2:])
    weight, bias = scale.reshape(-1), None if shift is None else shift.reshape(-1)
    zeros, ones = torch.zeros_like(weight), torch.ones_like(weight)
    return batch_norm(planes, zeros, ones, weight, bias, False, 0.0, 0.0).view(output.shape)


FILM = "film of yoto"
"""Attribute of a bound layer that holds its modulation; no layer's own attribute can have such a name."""


def renamed(state: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a bound layer, from a pickle of the time when its modulation was called `film` too."""
    old = FILM not in state and isinstance(state.get("film"), Modulation)
    return {FILM if old and name == "film" else name: value for name, value in state.items()}


class FiLMSite(nn.Module):
    """Mixed into a layer's class when it is bound at a λ: the layer, followed by its modulation."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The layer's output, modulated."""
        film: Modulation = getattr(self, FILM)
        watch(film.scale, film.site.name)
        return film(super().forward(*args, **kwargs))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(renamed(state))  # type: ignore[no-untyped-call]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return rebuild_site, BUILT_FROM[type(self)], dict(self.__dict__)


class FiLMBefore(nn.Module):
    """Mixed into the class of a layer's first child (an activation, say): what the child gets, modulated."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The child's output on the modulated input."""
        film: Modulation = getattr(self, FILM)
        watch(film.scale, film.site.name)
        output: Tensor = super().forward(film(x), *args, **kwargs)
        return output

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(renamed(state))  # type: ignore[no-untyped-call]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return rebuild_before, (type(self).__bases__[-1],), dict(self.__dict__)


SITE_CLASSES: dict[tuple[type[nn.Module], str], type[nn.Module]] = {}
BUILT_FROM: dict[type[nn.Module], tuple[type[nn.Module], str]] = {}
BEFORE_CLASSES: dict[type[nn.Module], type[nn.Module]] = {}


def site_class(base: type[nn.Module], inside: str = "") -> type[nn.Module]:
    """The class of `base` layers that are bound: still a `base`, with the same parameters.

    Args:
        inside: Name of a class that `base` derives from: what its `forward` gives is modulated, in place of the layer's
            output.
    """
    key = base, inside
    if key not in SITE_CLASSES:  # a dictionary, since torch.compile traces through functools.cache
        mixed = (base, site_class(ancestor(base, inside))) if inside else (FiLMSite, base)
        SITE_CLASSES[key] = derived(f"FiLM{base.__name__}", mixed, FiLMSite.__doc__)
        BUILT_FROM[SITE_CLASSES[key]] = key
    return SITE_CLASSES[key]


def ancestor(base: type[nn.Module], name: str) -> type[nn.Module]:
    """The class of that name that `base` derives from."""
    return next(each for each in base.__mro__ if each.__name__ == name)


def before_class(base: type[nn.Module]) -> type[nn.Module]:
    """The class of `base` children in front of which a layer is modulated."""
    if base not in BEFORE_CLASSES:
        BEFORE_CLASSES[base] = derived(f"FiLMBefore{base.__name__}", (FiLMBefore, base), FiLMBefore.__doc__)
    return BEFORE_CLASSES[base]


def rebuild_site(base: type[nn.Module], inside: str = "") -> nn.Module:
    """An empty bound layer, for pickling and copying."""
    cls = site_class(base, inside)
    return cls.__new__(cls)


def rebuild_before(base: type[nn.Module]) -> nn.Module:
    """An empty child of a bound layer, for pickling and copying."""
    cls = before_class(base)
    return cls.__new__(cls)


def refuse_bound(net: nn.Module, action: str) -> None:
    """Refuse a network that is bound at a λ where its plain parameters alone would be taken."""
    if any(isinstance(m, (FiLMSite, FiLMBefore)) for m in net.modules()):
        raise YotoError(
            f"A network to {action} should be plain or conditional. Found one bound at a λ, whose weights are "
            "those before conditioning. Give model.bake(…) in place of model.at(…)."
        )


def shell(module: nn.Module, cls: type[nn.Module], film: Modulation | None = None) -> nn.Module:
    """A copy of a module without its children, as an object of `cls`: the same parameters, hooks of its own."""
    new: nn.Module = object.__new__(cls)
    new.__dict__.update(module.__dict__)
    for name in HOOKS:
        new.__dict__[name] = module.__dict__[name].copy()
    new.__dict__.pop("_compiled_call_impl", None)  # of module.compile(): it would run the unbound original
    if film is not None:
        new.__dict__[FILM] = film
    return new


def registered(root: nn.Module, name: str) -> nn.Module:
    """A module below `root`, itself even where torch.export puts proxies before what is registered under two names."""
    for part in name.split(".") if name else ():
        root = root.__dict__["_modules"][part]
    return root


def connect(root: nn.Module, clones: Mapping[int, nn.Module]) -> None:
    """Give the clones of a tree's modules each other as children, and hooks that lead to each other."""
    for module in root.modules():
        for hooks in (clones[id(module)].__dict__[name] for name in HOOKS):
            for key, hook in hooks.items():
                if not (isinstance(hook, FunctionType) and torch.compiler.is_compiling()):  # traced, its closure breaks
                    hooks[key] = relinked(hook, clones)
        children = module.__dict__["_modules"]
        clones[id(module)].__dict__["_modules"] = {k: None if c is None else clones[id(c)] for k, c in children.items()}


def bound_clone(root: M, modulations: Mapping[str, Modulation], links: Sequence[tuple[str, str]] = ()) -> M:
    """A shallow copy of the module tree: same parameters and buffers, sites with their modulation attached.

    Hooks that a forward pass registers stay with the copy, as does, in evaluation and outside of compiled graphs, what
    it keeps in containers and the attributes that it sets; in training both go on from call to call.

    Args:
        root: The plain network.
        modulations: By site name, as in `root.named_modules()`.
        links: Modules and attributes that lead to modules beside the tree (`references.find_links`).
    """
    films = {id(registered(root, name)): film for name, film in modulations.items()}
    clones: dict[int, nn.Module] = {}
    for module in root.modules():
        film = films.get(id(module))
        after = film is not None and not film.site.layer.before
        cls = site_class(type(module), film.site.layer.inside) if film is not None and after else type(module)
        clones[id(module)] = shell(module, cls, film if after else None)
    connect(root, clones)
    if not torch.compiler.is_compiling():
        separate(clones)
    for module in root.modules():
        if isinstance(module, FAST) and any(id(part) in films for part in module.modules()):
            leave_fast_path([clones[id(module)]])
    for name, film in modulations.items():
        if film.site.layer.before:  # a child of the layer's own: others may share the original
            layer = clones[id(registered(root, name))]
            child = layer.get_submodule(film.site.layer.before)
            layer._modules[film.site.layer.before] = shell(child, before_class(type(child)), film)
    for name, attribute in links:
        module = registered(root, name)
        clones[id(module)].__dict__[attribute] = relinked(module.__dict__[attribute], clones)
    if not torch.compiler.is_compiling():
        carry(clones, root)
    return clones[id(root)]  # type: ignore[return-value]
