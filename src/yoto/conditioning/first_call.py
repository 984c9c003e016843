"""What the first calls of a conditional network show: how its layers hold the samples, and which of them λ reaches."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from types import GeneratorType
from typing import Any, Protocol

from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.utils import _pytree as pytree

from yoto.conditioning.binding import FILM, Modulation
from yoto.conditioning.carrying import Passing, Silent
from yoto.conditioning.checking import ALIKE, mixes, strays
from yoto.conditioning.counting import counted
from yoto.conditioning.evidence import MIXED, MOVED, UNEVEN
from yoto.conditioning.examples import first_list, holds_samples, sample_count
from yoto.conditioning.folding import Site
from yoto.conditioning.layouts import SampleLayout
from yoto.conditioning.probing import Found, probe
from yoto.conditioning.ranks import is_sharded
from yoto.conditioning.rewriting import refuse_new
from yoto.conditioning.rows import STRAYS
from yoto.errors import YotoError

SAMPLES = 3
"""Samples of the first call's inputs that a probing run takes."""


class Watched(Protocol):
    """What is asked of a conditional network here."""

    sites: tuple[Site, ...]
    batch_dim: int
    checked: bool
    """Whether a call with a λ per sample was looked at, or an example."""
    told: bool
    """Whether a call was looked at for layers that do not run."""

    @property
    def plain(self) -> nn.Module:
        """The plain network."""

    def take_up(self, layouts: Mapping[str, Sequence[SampleLayout]]) -> None:
        """Keep how layers hold the samples."""


class Watch(Passing):
    """Hooks of a network that was bound before its model ran so for the first time; they go away with that call.

    Args:
        model: The conditional network.
        bound: Bound at a λ.
        samples: Number B of rows of a λ per sample, 0 for one λ.
    """

    def __init__(self, model: Watched, bound: nn.Module, samples: int) -> None:
        self.model, self.samples = model, samples
        self.ran: set[str] = set()
        self.marks: list[tuple[dict[str, Any], Modulation]] = []
        self.handles = [bound.register_forward_pre_hook(Begin(self), with_kwargs=True)]

    def before(self, bound: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Learn the layouts of the samples from the call's own inputs, and look which layers run."""
        if self.samples > 1 and not self.model.checked:
            learn(self.model, args, kwargs, self.samples)
        for site in self.model.sites if not self.model.told else ():
            layer = bound.get_submodule(site.name)
            holder = vars(layer.get_submodule(site.layer.before) if site.layer.before else layer)
            self.marks.append((holder, holder[FILM]))
            holder[FILM] = Mark(self.ran, holder[FILM])
        self.handles.append(bound.register_forward_hook(self.after))

    def after(self, bound: nn.Module, args: Any, output: Any) -> None:
        """Say which layers the call did not run, and refuse a network that makes more of them.

        Raises:
            YotoError: If it does.
        """
        for handle in self.handles:
            handle.remove()
        for holder, film in self.marks:
            holder[FILM] = film
        self.model.checked |= self.samples > 1
        if self.model.told or isinstance(output, GeneratorType):  # which runs them later
            return
        self.model.told = True
        refuse_new(self.model.plain, bound)
        silent = [site.name for site in self.model.sites if site.name not in self.ran]
        if silent:
            warnings.warn(
                f"λ does not reach {listed(silent)}: never run as layers of the bound network "
                "(used by another way, such as an object that keeps them, or not at all). Leave them out with "
                "exclude=, or give condition(…, example=inputs), which does.",
                stacklevel=2,
            )


def listed(names: Sequence[str]) -> str:
    """Names of layers for a message, the first four."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{', '.join(map(repr, names[:4]))}{more}"


class Begin(Passing):
    """Begins to watch a call; an object, since a copy of a bound method would be one of its function."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def __reduce__(self) -> Any:
        return Silent, ()

    def __call__(self, bound: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.watch.before(bound, args, kwargs)


class Mark:
    """The modulation of a layer that notes that it ran; a layer's hooks would not see its `forward` called directly."""

    def __init__(self, ran: set[str], film: Modulation) -> None:
        self.ran, self.film = ran, film
        self.site, self.scale = film.site, film.scale

    def __reduce__(self) -> Any:
        return copy, (self.film,)

    def __call__(self, output: Tensor) -> Tensor:
        self.ran.add(self.site.name)
        return self.film(output)


def learn(model: Watched, args: tuple[Any, ...], kwargs: Mapping[str, Any], samples: int) -> None:
    """Take up the layouts of the samples that a call's inputs show, where they show them.

    Raises:
        YotoError: If a conditioned layer gives the same for all samples, so that a λ per sample has no place there.
    """
    if is_sharded(model.plain):
        warnings.warn(
            "How layers hold the samples was not looked at, since the parameters are in shards: entries along "
            f"dimension {model.batch_dim} of their outputs are taken for the samples. condition(…, example=inputs) "
            "looks, before sharding.",
            stacklevel=2,
        )
    if any(type(p) not in (nn.Parameter, Tensor) for p in model.plain.parameters()):
        return  # a copy is not to be had
    tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if any(t.is_nested or is_functorch_wrapped_tensor(t) for t in [*tensors, *model.plain.parameters()]):
        return  # samples of several lengths, or the whole call runs under torch.func: what they hold cannot be seen
    found = best(model, args, kwargs, samples)
    if found is None:
        return
    for site in model.sites:
        reason = found.layouts.get(site.name)
        if isinstance(reason, str) and reason != MIXED:
            raise no_place(site.name, reason)
    mixed = [site.name for site in model.sites if found.layouts.get(site.name) == MIXED]
    if mixed and found.batch_dim == model.batch_dim:
        more = f" (and {len(mixed) - 1} more)" if len(mixed) > 1 else ""
        warnings.warn(
            f"Layer {mixed[0]!r}{more}: {MIXED}. With a λ per sample, entry i of it gets λ of sample i, which is right "
            "where that entry is sample i's, and not where the batch was sorted, say. condition(…, example=inputs) "
            "leaves such layers out.",
            stacklevel=2,
        )
    if mixes(found, model.sites):
        alike = [site.name for site in model.sites if site.name in found.alike]
        raise no_place(alike[0], ALIKE)
    read = [site.name for site in model.sites if site.name in found.read]
    if read:
        warnings.warn(
            f"The weights of {listed(read)} are read without calling the layer too: λ does not reach what is read, and "
            "the baked network differs. Leave such layers out with exclude=, or give condition(…, example=inputs), "
            "which does.",
            stacklevel=2,
        )
    names = strays(found, model.sites)
    if names:
        raise no_place(names[0], STRAYS)
    model.take_up(found.unusual([site.name for site in model.sites], model.batch_dim))


def no_place(name: str, reason: str) -> YotoError:
    """What is said of a layer that a λ per sample has no place in."""
    return YotoError(
        f"A λ per sample cannot reach layer {name!r}: {reason}. Give condition(…, example=inputs), which leaves such "
        "layers out, leave it out with exclude=, or give one λ for the whole batch."
    )


def best(model: Watched, args: tuple[Any, ...], kwargs: Mapping[str, Any], samples: int) -> Found | None:
    """What a probing run shows along the axis of the inputs that explains most layers; None where none can be made.

    Another axis than the model's `batch_dim` is told, where that holds as many entries or was asked for (it is not 0).
    """
    leaves, spec = pytree.tree_flatten((args, dict(kwargs)))
    names = [site.name for site in model.sites]
    result: Found | None = None
    asked: Found | None = None
    if not is_batched(model, args, kwargs, samples):
        return None
    axes = [axis for axis in dict.fromkeys([model.batch_dim, 0, 1]) if sample_count(leaves, axis) == samples]
    if not axes and any(holds_samples(leaf, model.batch_dim, samples) for leaf in leaves):
        axes = [model.batch_dim]  # behind what all samples share, such as a graph
    for axis in axes:
        few = [shortened(leaf, axis, samples) for leaf in leaves]
        positional, named = pytree.tree_unflatten(few, spec)
        try:
            found = probe(model.plain, positional, named, axis, names, min(SAMPLES, samples))
        except YotoError:
            continue
        if not {MIXED, MOVED, UNEVEN}.intersection(found.layouts.values()):
            if axis != model.batch_dim and (model.batch_dim or sample_count(leaves, 0) == samples):
                tell_axis(model.batch_dim, axis, asked)
            return found
        if axis == model.batch_dim:
            asked = found
        if model.batch_dim and asked is not None:
            return asked
        result = result or found
    return result


def is_batched(model: Watched, args: tuple[Any, ...], kwargs: Mapping[str, Any], samples: int) -> bool:
    """Whether the samples are in tensors, and not in a list of as many: a run on fewer of these shows nothing."""
    if len(first_list([*args, *kwargs.values()])) != samples:
        return True
    try:
        counted(model.plain, args, kwargs, model.batch_dim)
    except YotoError:
        return False
    return True


def tell_axis(asked: int, axis: int, other: Found | None) -> None:
    """Say that the samples are taken to lie along another axis of the inputs than `batch_dim`."""
    mixed = [name for name, layouts in ({} if other is None else other.layouts).items() if isinstance(layouts, str)]
    why = f"along axis {asked} layer {mixed[0]!r} mixes them" if mixed else f"axis {asked} does not show them"
    warnings.warn(
        f"The samples of the inputs are taken to lie along axis {axis}: {why}. Give batch_dim={axis} where that is "
        "right, else leave out layers that do not see the whole batch with exclude=, or give one λ for the batch.",
        stacklevel=2,
    )


def shortened(leaf: Any, axis: int, samples: int) -> Any:
    """The first few samples of an input."""
    return leaf.narrow(axis, 0, min(SAMPLES, samples)) if holds_samples(leaf, axis, samples) else leaf
