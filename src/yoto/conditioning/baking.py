"""What baking needs beside the fold itself: untied parameters, a fresh copy, a comparison, new statistics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from yoto.conditioning.binding import Modulation, bound_clone
from yoto.conditioning.copies import copy_of, double, doubled
from yoto.conditioning.fast_path import fast_path_off
from yoto.conditioning.folding import Site, deviation, folded
from yoto.conditioning.modes import evaluating
from yoto.conditioning.references import find_links
from yoto.conditioning.state import State
from yoto.conditioning.taps import tap
from yoto.errors import YotoError
from yoto.support.graphs import without_graph
from yoto.support.outputs import consumed, tensors_in
from yoto.support.seeds import seed_all, streams_kept

M = TypeVar("M", bound=nn.Module)

PROBE_TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 5e-2, torch.float16: 1e-2}
TF32_TOLERANCE = 1e-2
"""On a GPU that rounds the factors of float32 products to TF32."""
WIDE_TOLERANCE = 1e-6
"""Of the judgement in float64 of a network in lower precision: far above rounding, and below what would be a fault."""


def refresh(plain: nn.Module, sites: Sequence[Site], into: nn.Module) -> None:
    """Copy the stored plain parameters and buffers into an earlier result of `bake`, but for those that it folds."""
    if not isinstance(into, nn.Module):
        raise YotoError(
            f"`into` should be a network that bake() of this model returned. Found a {type(into).__name__}."
        )
    ours = {
        **dict(plain.named_parameters(remove_duplicate=False)),
        **dict(plain.named_buffers(remove_duplicate=False)),
    }
    theirs = {
        **dict(into.named_parameters(remove_duplicate=False)),
        **dict(into.named_buffers(remove_duplicate=False)),
    }
    graphs = isinstance(into, GraphModule) and isinstance(plain, GraphModule)  # each has a class of its own
    if (type(into) is not type(plain) and not graphs) or {n: p.shape for n, p in ours.items()} != {
        n: p.shape for n, p in theirs.items()
    }:
        raise YotoError(
            f"`into` should be a network that bake() of this model returned, a {type(plain).__name__} with "
            f"the same parameters. Found a {type(into).__name__}."
        )
    mine = {t.untyped_storage().data_ptr() for t in ours.values()}
    if any(t.untyped_storage().data_ptr() in mine for t in theirs.values() if t.numel()):
        raise YotoError("`into` should not share weights with this model. Give a network that bake() returned.")
    touched = {f"{s.name}.{key}" if s.name else key for s in sites for key in (s.layer.weight, s.layer.bias)}
    for name, tensor in theirs.items():
        if name not in touched:
            tensor.copy_(ours[name])


def fold(
    plain: nn.Module, target: nn.Module, modulations: Mapping[str, Modulation], only: Collection[str] | None = None
) -> None:
    """Write the folded parameters of every site into `target`; the plain ones of sites that `only` leaves out."""
    for name, modulation in modulations.items():
        module, goal = plain.get_submodule(name), target.get_submodule(name)
        try:
            new = folded(module, modulation.site.layer, modulation.scale, modulation.shift)
        except AttributeError as error:
            raise YotoError(
                f"Layer {name!r} should hold its parameters as it did when it was conditioned. Found that {error} any "
                "more. Make pruning or a parametrisation permanent first (prune.remove, remove_parametrizations)."
            ) from None
        for key, value in new.items():
            kept = only is not None and name not in only
            goal.get_parameter(key).copy_(module.get_parameter(key) if kept else value)


def check(plain: nn.Module, target: nn.Module, modulations: Mapping[str, Modulation], probe: Any) -> None:
    """Refuse a baked network whose outputs on `probe` differ from those of the bound one.

    A deviation in lower precision is judged again in float64, since a network may enlarge what rounding leaves.

    Raises:
        YotoError: If they differ, naming the layers at fault, hold no number that can be compared, or λ reaches none.
    """
    bound, ran = bound_clone(plain, modulations, find_links(plain)), set[str]()
    for name in modulations:
        tap(bound.get_submodule(name), begin=partial(ran.add, name))
    relative, allowed = apart(bound, target, probe)
    if relative <= allowed and not ran:
        raise YotoError(
            f"λ should reach the outputs on `probe`. Found that none of the {len(modulations)} conditioned layers runs "
            "as a layer of the bound network: usually an object keeps the original. Give condition(…, example=inputs), "
            "which leaves such layers out."
        )
    if relative <= allowed:
        return
    precision = ""
    with suppress(RuntimeError, TypeError, ValueError):  # not every network runs in float64
        doubles, wide = double(copy_of(plain)), double(copy_of(target))
        fold(doubles, wide, modulations)
        widened = pytree.tree_map_only(Tensor, doubled, probe)
        again = apart(bound_clone(doubles, modulations, find_links(doubles)), wide, widened)[0]
        if again <= WIDE_TOLERANCE:
            return
        plain, target, probe, relative, allowed = doubles, wide, widened, again, WIDE_TOLERANCE
        precision = " in float64"
    names = at_fault(plain, copy_of(target), modulations, probe, list(modulations), allowed)
    raise YotoError(
        f"The baked network should give the bound network's outputs. Found a relative deviation of {relative:.1e} on "
        f"the probe{precision}, above {allowed:.0e}, because of {len(names)} of {len(modulations)} layers. Usually a "
        f"layer's weight is used without calling the layer: leave these out with exclude={'|'.join(names)!r}."
    )


def at_fault(
    plain: nn.Module,
    target: nn.Module,
    modulations: Mapping[str, Modulation],
    probe: Any,
    names: list[str],
    allowed: float,
    beside: Sequence[str] = (),
) -> list[str]:
    """The sites among `names` whose fold changes the outputs, by halving: those that do so alone, else together.

    Args:
        beside: Sites outside `names` that are folded all the time.
    """
    if len(names) == 1:
        return names
    result: list[str] = []
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    for part in halves:
        folding = [*part, *beside]
        fold(plain, target, modulations, folding)
        bound = bound_clone(plain, {name: modulations[name] for name in folding}, find_links(plain))
        try:
            same = apart(bound, target, probe)[0] <= allowed
        except Exception:  # noqa: BLE001 - some run with all of their layers bound, or none (torch.func on equal ones)
            return names
        if not same:
            result += at_fault(plain, target, modulations, probe, part, allowed, beside)
    if result:
        return result
    for part, other in (halves, halves[::-1]):
        result += at_fault(plain, target, modulations, probe, part, allowed, [*other, *beside])
    return result


def apart(bound: nn.Module, target: nn.Module, probe: Any) -> tuple[float, float]:
    """The worst relative deviation of two networks' outputs, and what is allowed in its precision."""
    expected, found = evaluated(bound, probe), evaluated(target, probe)
    if [t.shape for t in expected] != [t.shape for t in found]:
        return float("inf"), PROBE_TOLERANCE[torch.float32]
    pairs = [
        (deviation(b, a), tolerance(a))
        for a, b in zip(expected, found, strict=True)
        if (a.is_floating_point() or a.is_complex()) and a.numel()
    ]
    if not pairs:
        raise YotoError(
            f"The network's outputs on `probe` should hold numbers to compare. Found {len(expected)} tensors, none of "
            "them of floating point. Give bake() no probe, or compare in your own way."
        )
    return max(pairs, key=lambda pair: float("inf") if pair[0] != pair[0] else pair[0] / pair[1])


def tolerance(output: Tensor) -> float:
    """The largest deviation that rounding explains, by an output's precision."""
    tf32 = output.is_cuda and (torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
    return max(PROBE_TOLERANCE.get(output.dtype, 1e-5), TF32_TOLERANCE if tf32 else 0.0)


def evaluated(network: nn.Module, probe: Any) -> list[Tensor]:
    """The tensors that a network gives in evaluation mode, with random numbers from seed 0; its state stays."""
    device, state = next((p.device for p in network.parameters()), torch.device("cpu")), State(network)

    def seeded() -> list[Tensor]:
        state.put_back()
        seed_all(0)
        return tensors_in(call(network, probe))

    try:
        with evaluating(network), fast_path_off(), streams_kept(device):
            return without_graph(seeded)
    finally:
        state.put_back()


def call(network: nn.Module, inputs: Any) -> Any:
    """Run a network on a tensor, a tuple of arguments or a dict of keyword arguments: copies, which it may change."""
    inputs = pytree.tree_map_only(Tensor, Tensor.clone, inputs)
    if isinstance(inputs, Mapping):
        return consumed(network(**inputs))
    return consumed(network(*inputs) if isinstance(inputs, (tuple, list)) else network(inputs))


def untie(net: nn.Module, sites: Sequence[str]) -> list[str]:
    """Give each site parameters of its own where another module shares them; what became of them, one line each."""
    owners: dict[int, list[tuple[str, str]]] = {}
    for name, module in net.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                owners.setdefault(id(parameter), []).append((name, key))
    remarks = []
    for name in sites:
        module = net.get_submodule(name)
        for key, parameter in list(module._parameters.items()):
            if parameter is not None and len(owners[id(parameter)]) > 1:
                owners[id(parameter)].remove((name, key))
                other = ".".join(filter(None, owners[id(parameter)][0]))
                remarks.append(
                    f"{name}.{key} is shared with {other} and is untied in the result, whose state_dict therefore fits "
                    f"no fresh {type(net).__name__}, which ties them again: keep the module itself (torch.save of it, "
                    f"bake(into=) for another λ), or leave the layer out with exclude={name!r}"
                )
                module._parameters[key] = nn.Parameter(
                    parameter.detach().clone(), requires_grad=parameter.requires_grad
                )
    return remarks


def recalibrated(net: M, batches: Iterable[Any], judge: Callable[[M], float] | None) -> str | None:
    """Re-estimate batch norms' statistics over `batches`, unless `judge` finds the network worse then: a remark.

    Args:
        judge: The loss of a network in evaluation mode, lower being better.
    """
    if judge is None:
        recalibrate_norms(net, batches)
        return None
    stored = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with evaluating(net):
        before = float(judge(net))
    recalibrate_norms(net, batches)
    with evaluating(net):
        after = float(judge(net))
    if after < before:
        return None
    for name, buffer in net.named_buffers():
        buffer.copy_(stored[name])
    return (
        f"the statistics of training are kept: the loss is {before:.5g} with them and {after:.5g} with those of "
        "`recalibrate`"
    )


def recalibrate_norms(net: nn.Module, batches: Any) -> None:
    """Re-estimate running statistics of batch norms as plain averages over `batches`."""
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not isinstance(batches, Iterable) or isinstance(batches, (str, Tensor)):
        found = "one tensor, whose rows would be taken for batches" if isinstance(batches, Tensor) else repr(batches)
        raise YotoError(f"`recalibrate` should be batches of the network's inputs, [x] for one. Found {found}.")
    batches = list(batches)
    if not batches:
        raise YotoError("`recalibrate` should hold at least one batch. Found none.")
    momenta = [m.momentum for m in norms]
    with evaluating(net):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.training = True
        for batch in batches:
            call(net, batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
