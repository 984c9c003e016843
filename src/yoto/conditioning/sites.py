"""Which layers of a network are conditioned: by rule, by regular expression, by type or by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from yoto.conditioning.fitting import Inputs, fit, holds, is_leaf, usual_inputs
from yoto.conditioning.folding import FOLDABLE, SHAPED, Layer, Site, layer_of, refusal, verify, weight_normed
from yoto.conditioning.followers import find_followers
from yoto.conditioning.probing import Found
from yoto.conditioning.references import refuse_hidden_references
from yoto.conditioning.remarks import READS_WEIGHTS, left_out, no_match
from yoto.errors import YotoError, near_misses

Selection: TypeAlias = "str | type[nn.Module] | Sequence[str] | Sequence[type[nn.Module]] | None"
Exclusion: TypeAlias = "str | type[nn.Module] | Sequence[type[nn.Module]] | None"

READ = "its weight is read elsewhere too, where a fold would change it"
NEVER_RUN = (
    "it never runs as a layer that gives a tensor: its weight is read without a call, it is reached beside the module "
    "tree, or it gives several"
)


@dataclass
class Candidates:
    """Layers of a network that can be conditioned, in the order of `named_modules`, and why others cannot.

    Attributes:
        good, bad: Modules, and reasons, by name.
        layers: How a layer folds, where that is known beforehand or was found by trial.
        found: What a probing run learned, or None.
    """

    net: nn.Module
    channel_axis: Mapping[str, int]
    layers: dict[str, Layer]
    found: Found | None
    good: dict[str, nn.Module] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    tried: dict[Any, Layer | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        readers = [f"{name}." if name else "" for name, m in self.net.named_modules() if isinstance(m, READS_WEIGHTS)]
        for name, module in self.net.named_modules():
            reason: str | None
            if ".parametrizations." in f".{name}":
                continue
            if name in self.layers:
                reason = None
            elif isinstance(module, FOLDABLE):
                reason = refusal(module, self.channel_axis.get(name))
                normed = weight_normed(module) if reason is not None else None
                if normed is not None:
                    with suppress(YotoError):
                        verify(name, module, normed)
                        self.layers[name], reason = normed, None
                reader = next((r for r in readers if name.startswith(r)), None)
                if reader is not None:
                    reason = f"{reader.rstrip('.') or type(self.net).__name__!r} reads its weight without calling it"
            elif self.found is not None and name in self.found.calls and is_leaf(module):
                layer = self.trial(name, module)
                reason = None if layer is not None else f"{type(module).__name__} is not affine per output channel"
                if layer is not None:
                    self.layers[name] = layer
            elif isinstance(module, nn.RNNBase):
                reason = refusal(module)
            else:
                continue
            if reason is None and self.found is not None:
                reason = self.unreached(name)
            if reason is None:
                self.good[name] = module
            else:
                self.bad[name] = reason

    def unreached(self, name: str) -> str | None:
        """Why a λ per sample does not reach a layer, as the probing run showed; None if it does."""
        assert self.found is not None
        layouts = self.found.layouts.get(name, NEVER_RUN)
        if isinstance(layouts, str):
            return layouts
        return READ if name in self.found.read else None

    def trial(self, name: str, module: nn.Module) -> Layer | None:
        """How a layer folds, found by trying it on the inputs of the probing run, else on usual ones."""
        calls = self.found.calls.get(name, []) if self.found is not None else []
        inputs: list[Inputs] = [(call.args, call.kwargs) for call in calls[:2]] or usual_inputs(module)
        shapes = tuple(tuple(x.shape) for args, _ in inputs for x in args if hasattr(x, "shape"))
        key = (type(module), tuple((n, p.shape) for n, p in module.named_parameters()), shapes)
        layer = self.tried.get(key)
        if key not in self.tried or (layer is not None and not holds(module, inputs, layer)):
            layer = self.tried[key] = fit(module, inputs)
        return layer

    def site(self, name: str) -> Site:
        """A layer as a site, after its fold was checked.

        Raises:
            YotoError: If it does not fold.
        """
        module = self.good[name]
        layer = self.layers.get(name)
        if layer is None and isinstance(module, SHAPED) and not is_torchs(module) and name not in self.channel_axis:
            layer = self.trial(name, module) if is_leaf(module) else None  # may take maps for what they are
            if layer is not None and layer.axes != tuple((n, n - 1) for n, _ in layer.axes):
                self.layers[name] = layer
            else:
                layer = None
        if layer is None:
            layer = layer_of(module, self.channel_axis.get(name))
            try:
                verify(name, module, layer)
            except YotoError:
                layer = self.trial(name, module) if is_leaf(module) else None
                if layer is None:
                    raise
                self.layers[name] = layer
        return Site(name, type(module).__name__, layer)


def select(
    net: nn.Module,
    sites: Selection,
    exclude: Exclusion,
    channel_axis: Mapping[str, int],
    layers: Mapping[str, Layer] | None = None,
    found: Found | None = None,
) -> tuple[list[Site], dict[str, Layer], list[str]]:
    """The sites in the order of `named_modules`, how those of unknown classes fold, and remarks worth a warning.

    By rule (None): every layer that folds, but for a convolution or linear layer with a batch, instance or group norm
    behind it, where the norm takes its place (it would undo the scale). What does not fold is left out.

    Args:
        layers: How layers fold that an earlier probing run found out.
        found: What a probing run learned.

    Raises:
        YotoError: If nothing matches, naming near misses and why layers were refused; or a layer that was asked for
            does not fold.
    """
    for name in channel_axis:
        if name not in dict(net.named_modules()):
            raise YotoError(f"`channel_axis` names {name!r}, which the network lacks.")
    known = Candidates(net, channel_axis, dict(layers or {}), found)
    good, bad = known.good, known.bad
    after = find_followers(net, found)
    if sites is None:
        chosen = [n for n, m in good.items() if id(m) not in after]
    elif isinstance(sites, str):
        pattern = compile_pattern(sites, "sites")
        chosen = [n for n in good if pattern.fullmatch(n)]
        bad = {n: reason for n, reason in bad.items() if pattern.fullmatch(n)}
    elif isinstance(sites, type):
        chosen = [n for n, m in good.items() if isinstance(m, sites)]
        bad = {n: reason for n, reason in bad.items() if isinstance(net.get_submodule(n), sites)}
    else:
        chosen, bad = by_list(net, sites, good, bad)
    skip = skipped(exclude, good)
    chosen = [n for n in chosen if n not in skip]
    result: list[Site] = []
    for name in chosen:
        try:
            result.append(known.site(name))
        except YotoError as error:
            if sites is not None:
                raise
            bad[name] = str(error).partition("cannot be conditioned: ")[2] or str(error)
            del good[name]
    if not result:
        hidden = [name for name, why in (found.layouts if found is not None else {}).items() if isinstance(why, str)]
        raise YotoError(no_match(net, sites, good, bad, found is not None, hidden))
    refuse_hidden_references(net, [good[site.name] for site in result])
    remarks: list[str] = []
    if sites is None:
        worth = {n: r for n, r in bad.items() if "reads its weight" not in r}
        remarks = left_out(net, worth, [site.name for site in result], after, found is not None)
    remarks += [
        f"layer {site.name!r} is followed by an instance norm, which undoes its modulation"
        for site in result
        if isinstance(after.get(id(good[site.name])), _InstanceNorm)
    ]
    if any(isinstance(m, _BatchNorm) and m.track_running_stats for m in net.modules()):
        remarks.append(
            "the network has batch norms. With a λ per sample it is trained under statistics of the mixture of all λ, "
            "which fit it: keep them. After training with one λ per batch, give bake(recalibrate=batches)"
        )
    return result, {site.name: site.layer for site in result if site.name in known.layers}, remarks


def is_torchs(module: nn.Module) -> bool:
    """Whether a module's class is one of torch's own."""
    return type(module).__module__.startswith("torch.nn.")


def skipped(exclude: Exclusion, names: Mapping[str, nn.Module]) -> set[str]:
    """The names among those of layers that `exclude` leaves out."""
    if exclude is None:
        return set()
    if isinstance(exclude, str):
        pattern = compile_pattern(exclude, "exclude")
        return {name for name in names if pattern.fullmatch(name)}
    kinds: Any = (exclude,) if isinstance(exclude, type) else exclude
    if not isinstance(kinds, Collection) or not all(isinstance(kind, type) for kind in kinds):
        raise YotoError(f"`exclude` should be a regular expression, a type or a list of types. Found {exclude!r}.")
    return {name for name, module in names.items() if isinstance(module, tuple(kinds))}


def by_list(
    net: nn.Module, wanted: Any, good: Mapping[str, nn.Module], bad: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Selection by a list of exact names or of types."""
    if not isinstance(wanted, Collection):
        raise YotoError(
            f"`sites` should be a regular expression, a type, or a list of names or types. Found {wanted!r}."
        )
    if all(isinstance(w, type) for w in wanted):
        kinds = tuple(wanted)
        refused = {n: r for n, r in bad.items() if isinstance(net.get_submodule(n), kinds)}
        return [n for n, m in good.items() if isinstance(m, kinds)], refused
    everything = dict(net.named_modules())
    for name in wanted:
        if name not in everything:
            raise YotoError(f"`sites` names {name!r}, which the network lacks.{near_misses(str(name), tuple(good))}")
        if name not in good:
            reason = bad.get(name) or refusal(everything[name])
            raise YotoError(f"Layer {name!r} cannot be conditioned: {reason}.")
    return [n for n in good if n in wanted], {}


def compile_pattern(pattern: str, argument: str) -> re.Pattern[str]:
    """A regular expression, or a `YotoError` that says what is wrong with it."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise YotoError(f"`{argument}` should be a regular expression. Found {pattern!r}: {error}.") from None
