"""Making an ordinary network conditional."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from yoto.conditioning.binding import refuse_bound
from yoto.conditioning.checking import unfit
from yoto.conditioning.conditional import Conditional, conditioner_of, learned_config
from yoto.conditioning.copies import copy_of
from yoto.conditioning.counting import counted
from yoto.conditioning.examples import arguments
from yoto.conditioning.film import KNOTS, WIDTH, Gain, Layout, affordable
from yoto.conditioning.folding import Layer
from yoto.conditioning.probing import probe
from yoto.conditioning.sites import Exclusion, Selection, select
from yoto.conditioning.state import State
from yoto.errors import YotoError
from yoto.space import LossSpace
from yoto.support.numbers import check_whole

M = TypeVar("M", bound=nn.Module)

WRAPPERS = (
    "OptimizedModule",
    "DistributedDataParallel",
    "DataParallel",
    "ScriptModule",
    "RecursiveScriptModule",
)


def condition(
    net: M,
    space: LossSpace,
    *,
    sites: Selection = None,
    exclude: Exclusion = None,
    hidden: Sequence[int] | None = None,
    layout: Layout = "shared",
    multiplier: float = 0.1,
    gain: Gain = "linear",
    skip: bool = False,
    fourier: int = 3,
    raw: bool = False,
    batch_dim: int = 0,
    channel_axis: Mapping[str, int] | None = None,
    example: Any = None,
    learned: Mapping[str, Any] | None = None,
    start: Literal["near", "plain"] = "near",
    train: Literal["all", "film"] = "all",
) -> Conditional[M]:
    """Make a network conditional on the loss parameters of `space`. `net` itself is left as it is.

    Args:
        net: Any module with convolutions, transposed convolutions, linear layers or norms.
        space: The loss space, with at least one free parameter.
        sites: Layers to condition: None for the rule (every layer that folds; of a layer and a batch, instance or group
            norm right behind it the norm), a regular expression for whole names, a type, or a list of names or types.
        exclude: Regular expression of names to leave out, a type or a list of types.
        hidden: Widths of the conditioning network's hidden layers; by default 64, and in the shared layout a second
            layer, narrower, where it would else add more than half of the network's parameters (and 25,000). In the
            piecewise layout the number of knots, by default 8.
        layout: "shared" trunk with a head per site, the paper's "separate" MLPs, or "piecewise": values at knots along
            the range of every interval, with straight lines between, in place of a hidden layer.
        multiplier: ε in scale 1 + ε·s and shift ε·t; the paper's code has 0.1 and 0.01.
        gain: "linear" as above; "exponential" for scale exp(ε·s), where a layer's gain has to span a wide range.
        skip: Whether the heads of the shared layout read the conditioning vector too, beside the trunk's features.
        fourier: Number of Fourier features of each interval, see `LossSpace.encode`.
        raw: Feed logs of the weights unscaled, as the paper's code does.
        batch_dim: Dimension of the inputs, and without an example of the layers' outputs, that holds the samples.
        channel_axis: For LayerNorms over several dimensions: name to (negative) axis of the channels. By default the
            first of three or more ([C, H, W]); over two it has to be said.
        example: Inputs of at least two samples (a tensor, a tuple of arguments, a mapping of keyword arguments), best
            with no other axis as long as there are samples. A copy of the network runs on them up to sixteen times, in
            float64 where that works, and more to find a layer at fault: it shows how each layer's output holds the
            samples, by which layers λ of a sample would reach other samples' outputs, which layers never run or have
            their weights read elsewhere, and how layers of unknown classes fold.
        start: "near" the plain network, or exactly "plain" for every λ: for pretrained networks, and
            worth a try for others.
        train: "all", or "film": the plain network's parameters are frozen.
        learned: What an earlier example showed, as `Conditional.config` keeps it.

    Raises:
        YotoError: If no layer matches, a layer does not fold exactly (checked in float64 for each), the space has no
            free parameter, or `net` is wrapped (compiled, DDP), bound, or has no true copy (`copy.deepcopy`).

    >>> from yoto import LogUniform
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model = condition(net, LossSpace(fit=1.0, penalty=LogUniform(0.01, 10)))
    >>> model(torch.zeros(5, 3), at={"penalty": 0.1}).shape
    torch.Size([5, 2])
    >>> type(model.bake(penalty=0.1)).__name__
    'Sequential'
    """
    refuse_unfit(net, space)
    check_whole("fourier", fourier, 0)
    check_whole("batch_dim", batch_dim, 0)
    if not isinstance(channel_axis, Mapping | None):
        raise YotoError(f"`channel_axis` should map names of layers to axes. Found {channel_axis!r}.")
    settings: dict[str, Any] = {
        "hidden": [KNOTS if layout == "piecewise" else WIDTH] if hidden is None else hidden,
        "layout": layout,
        "multiplier": multiplier,
        "gain": gain,
        "skip": skip,
        "fourier": fourier,
        "raw": raw,
        "batch_dim": batch_dim,
        "channel_axis": dict(channel_axis or {}),
    }
    conditioner_of(settings).check_settings(settings)
    if raw and not space.positive:
        raise YotoError("`raw` should be used with weights above 0 only. Found a range that contains 0.")
    check_one_of("start", start, ("near", "plain"))
    check_one_of("train", train, ("all", "film"))
    plain = plain_copy(net)
    state = State(plain)
    known = {name: Layer.from_dict(layer) for name, layer in ((learned or {}).get("layers") or {}).items()}
    found = None
    if example is not None:
        asked = [name for name, module in plain.named_modules() if not name or owns(module)]
        args, kwargs = arguments(example)
        found = probe(plain, args, kwargs, batch_dim, asked, counted(plain, args, kwargs, batch_dim))
    chosen, layers, remarks = select(plain, sites, exclude, settings["channel_axis"], known, found)
    reasons = {} if found is None else unfit(found, chosen)
    if found is not None and reasons:
        found.layouts.update(reasons)
        chosen, layers, remarks = select(plain, sites, exclude, settings["channel_axis"], known, found)
    state.put_back()  # hooks of layers that were tried may have written into the rest of the network
    for remark in remarks:
        warnings.warn(f"condition(): {remark}.", stacklevel=2)
    names = [site.name for site in chosen]
    if hidden is None and layout == "shared":
        inputs, parameters = space.encoded_size(fourier, raw), sum(p.numel() for p in plain.parameters())
        settings["hidden"] = affordable(inputs, chosen, parameters, skip)
    config: dict[str, Any] = {
        "sites": names,
        **settings,
        "hidden": list(settings["hidden"]),
        "multiplier": float(multiplier),
    }
    if learned is not None:
        config["learned"] = dict(learned)
    elif found is not None or layers:
        config["learned"] = learned_config(None if found is None else found.unusual(names, batch_dim), layers)
    model = Conditional(plain, space, chosen, config)
    reference = next(plain.parameters())
    model.film.to(
        reference.device,
        torch.float64 if reference.dtype in (torch.float64, torch.complex128) else torch.float32,
    )
    if start == "plain":
        model.film.rest()
    if train == "film":
        model.plain.requires_grad_(False)
    model.training = net.training  # of this module alone: parts of the network may have modes of their own
    model.film.train(net.training)
    return model


def owns(module: nn.Module) -> bool:
    """Whether a module has parameters of its own, be it under a parametrisation."""
    return bool(list(module.parameters(recurse=False))) or is_parametrized(module)


def refuse_unfit(net: nn.Module, space: LossSpace) -> None:
    """Refuse what is no plain network, and a space in which nothing varies."""
    if not isinstance(net, nn.Module):
        raise YotoError(f"`net` should be a torch.nn.Module. Found {type(net).__name__}.")
    if not isinstance(space, LossSpace):
        raise YotoError(f"`space` should be a yoto.LossSpace. Found {type(space).__name__}.")
    for name, module in net.named_modules():
        if type(module).__name__ in WRAPPERS or isinstance(module, (Conditional, torch.jit.ScriptModule)):
            raise YotoError(
                f"`net` should be a plain network. Found {type(module).__name__} at {name or 'its root'!r}. "
                "Condition first, then compile or wrap the result."
            )
    lazy = [name for name, p in net.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise YotoError(
            f"`net` should hold its parameters. Found lazy ones, {lazy[0]!r} for one. Run the network once before "
            "conditioning it."
        )
    refuse_bound(net, "condition")
    if not space.free:
        raise YotoError(f"`space` should have a free parameter. Found only fixed ones: {', '.join(space.fixed)}.")


def check_one_of(argument: str, given: str, known: Sequence[str]) -> None:
    """Refuse a setting that does not exist."""
    if given not in known:
        raise YotoError(f"`{argument}` should be {' or '.join(map(repr, known))}. Found {given!r}.")


def plain_copy(net: M) -> M:
    """A copy of a network, or one line that says why there is none."""
    if any(p.is_meta for p in net.parameters()):
        raise YotoError("`net` should hold its parameters. Found some on the meta device. Materialise it first.")
    try:
        copied = copy_of(net)
    except Exception as error:  # noqa: BLE001 - whatever a network's own parts raise
        raise YotoError(
            f"`net` should be copyable (copy.deepcopy). Found: {' '.join(str(error).split())[:150]}. Usually an "
            "attribute is a lock or a file: set it aside before conditioning."
        ) from None
    theirs = dict(net.named_parameters())
    own = set(map(id, theirs.values()))
    for name, parameter in copied.named_parameters():
        if id(parameter) in own:
            raise YotoError(
                f"A copy of `net` (copy.deepcopy) should have weights of its own. Found that it shares {name!r} with "
                "the network. Usually a `__deepcopy__` gives the object itself: take it away while conditioning."
            )
        if name not in theirs or not same(parameter, theirs[name]):
            raise YotoError(
                f"A copy of `net` (copy.deepcopy) should have its weights. Found others at {name!r}. Usually a "
                "`__deepcopy__` or `__reduce__` makes a new network: let it take the weights along."
            )
    return copied


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two parameters hold the same numbers, as far as they can be compared."""
    try:
        return torch.equal(one, other) or torch.allclose(one, other, equal_nan=True)
    except (RuntimeError, NotImplementedError):  # of types that have no such function
        return one.shape == other.shape
