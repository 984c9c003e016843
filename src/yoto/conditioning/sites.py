"""Which layers of a network are conditioned: by rule, by regular expression, by type or by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from yoto.conditioning.folding import FOLDABLE, NORMS, Site, layer_of, refusal
from yoto.conditioning.references import refuse_hidden_references
from yoto.errors import YotoError, near_misses

Selection: TypeAlias = "str | type[nn.Module] | Sequence[str] | Sequence[type[nn.Module]] | None"

READS_WEIGHTS = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""Modules that use their children's weights without calling them (the latter in its inference fast path)."""


def candidates(net: nn.Module, channel_axis: Mapping[str, int]) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """Layers that can be conditioned by name, in the order of `named_modules`, and why others cannot."""
    good: dict[str, nn.Module] = {}
    bad: dict[str, str] = {}
    readers = [f"{name}." if name else "" for name, m in net.named_modules() if isinstance(m, READS_WEIGHTS)]
    for name, module in net.named_modules():
        if not isinstance(module, FOLDABLE):
            continue
        reader = next((r for r in readers if name.startswith(r)), None)
        reason = refusal(module, channel_axis.get(name))
        if reader is not None:
            reason = f"{reader.rstrip('.') or type(net).__name__!r} reads its weight without calling it"
        if reason is None:
            good[name] = module
        else:
            bad[name] = reason
    return good, bad


def width(module: nn.Module | None) -> int:
    """Channels that a norm expects or a layer gives."""
    attributes = ("num_features", "num_channels", "out_channels", "out_features")
    return next((int(getattr(module, a)) for a in attributes if hasattr(module, a)), -1)


def followers(net: nn.Module) -> dict[int, nn.Module]:
    """The leaf that is registered next after each leaf (dropout and identity passed over), by module id."""
    leaves = [
        m
        for m in net.modules()
        if not any(True for _ in m.children()) and not isinstance(m, (nn.Identity, nn.Dropout, nn.Dropout2d))
    ]
    return {id(a): b for a, b in pairwise(leaves)}


def followed_by_norm(module: nn.Module, after: Mapping[int, nn.Module]) -> bool:
    """Whether a batch, instance or group norm of its width is registered right behind a convolution or linear layer.

    Layer norms are left out: they mix all channels, and in transformers the order of registration is not that of use.
    """
    follower = after.get(id(module))
    norm = isinstance(follower, NORMS) and not isinstance(follower, nn.LayerNorm)
    return not isinstance(module, NORMS) and norm and width(follower) == width(module)


def select(
    net: nn.Module, sites: Selection, exclude: str | None, channel_axis: Mapping[str, int]
) -> tuple[list[Site], list[str]]:
    """The sites in the order of `named_modules`, and remarks worth a warning.

    By rule (None): every layer that folds, but for a convolution or linear layer with a batch, instance or group norm
    right behind it, where the norm takes its place (it would undo the scale).

    Raises:
        YotoError: If nothing matches, naming near misses and why layers were refused.
    """
    for name in channel_axis:
        if name not in dict(net.named_modules()):
            raise YotoError(f"`channel_axis` names {name!r}, which the network lacks.")
    good, bad = candidates(net, channel_axis)
    after = followers(net)
    if sites is None:
        chosen = [n for n, m in good.items() if not followed_by_norm(m, after)]
    elif isinstance(sites, str):
        pattern = compile_pattern(sites, "sites")
        chosen = [n for n in good if pattern.fullmatch(n)]
        bad = {n: reason for n, reason in bad.items() if pattern.fullmatch(n)}
    elif isinstance(sites, type):
        chosen = [n for n, m in good.items() if isinstance(m, sites)]
        bad = {n: reason for n, reason in bad.items() if isinstance(net.get_submodule(n), sites)}
    else:
        chosen, bad = by_list(net, list(sites), good, bad)
    if exclude is not None:
        skip = compile_pattern(exclude, "exclude")
        chosen = [n for n in chosen if not skip.fullmatch(n)]
    if not chosen:
        raise YotoError(no_match(sites, good, bad))
    refuse_hidden_references(net, [good[n] for n in chosen])
    left_out = [f"{n!r} ({r})" for n, r in bad.items() if "reads its weight" not in r] if sites is None else []
    remarks = [f"the rule left out {', '.join(left_out[:4])}{', …' if len(left_out) > 4 else ''}"] if left_out else []
    remarks += [
        f"layer {n!r} is followed by an instance norm, which undoes its modulation"
        for n in chosen
        if isinstance(after.get(id(good[n])), _InstanceNorm) and followed_by_norm(good[n], after)
    ]
    if any(isinstance(m, _BatchNorm) and m.track_running_stats for m in net.modules()):
        remarks.append(
            "the network has batch norms, whose running statistics will be those of the mixture of all λ: "
            "give bake(recalibrate=data) batches to re-estimate them, or use another norm"
        )
    return [Site(n, type(good[n]).__name__, layer_of(good[n], channel_axis.get(n))) for n in chosen], remarks


def by_list(
    net: nn.Module, wanted: list[Any], good: Mapping[str, nn.Module], bad: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Selection by a list of exact names or of types."""
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


def no_match(sites: Selection, good: Mapping[str, nn.Module], bad: Mapping[str, str]) -> str:
    """The message for a selection without a match."""
    asked = "the rule" if sites is None else repr(sites)
    message = f"`sites` should match at least one layer that can be conditioned. {asked} matched none."
    if bad:
        message += " Refused: " + "; ".join(f"{n!r}: {reason}" for n, reason in list(bad.items())[:4]) + "."
    if isinstance(sites, str):
        message += near_misses(sites, tuple(good))
    if good:
        names = list(good)
        message += f" Layers that can be: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}."
    return message
