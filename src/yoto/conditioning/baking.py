"""What baking needs beside the fold itself: untied parameters, a fresh copy, a comparison, new statistics."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from yoto.conditioning.folding import Site, deviation
from yoto.errors import YotoError

PROBE_TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 5e-2, torch.float16: 1e-2}
TF32_TOLERANCE = 1e-2
"""On a GPU that rounds the factors of float32 products to TF32."""


def refresh(plain: nn.Module, sites: Sequence[Site], into: nn.Module) -> None:
    """Copy the stored plain parameters and buffers into an earlier result of `bake`, but for those that it folds."""
    ours = {
        **dict(plain.named_parameters(remove_duplicate=False)),
        **dict(plain.named_buffers(remove_duplicate=False)),
    }
    theirs = {
        **dict(into.named_parameters(remove_duplicate=False)),
        **dict(into.named_buffers(remove_duplicate=False)),
    }
    if type(into) is not type(plain) or {n: p.shape for n, p in ours.items()} != {
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


def compare(bound: nn.Module, target: nn.Module, probe: Any, device: torch.device) -> None:
    """Refuse a baked network whose outputs differ from those of the bound one."""
    outputs = []
    for network in (bound, target):
        modes = [m.training for m in network.modules()]
        network.eval()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            outputs.append([t for t in pytree.tree_leaves(call(network, probe)) if isinstance(t, Tensor)])
        for module, mode in zip(network.modules(), modes, strict=True):
            module.training = mode
    for expected, found in zip(*outputs, strict=True):
        if not expected.is_floating_point():
            continue
        relative = deviation(found, expected)
        tf32 = expected.is_cuda and (torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
        allowed = max(PROBE_TOLERANCE.get(expected.dtype, 1e-5), TF32_TOLERANCE if tf32 else 0.0)
        if not relative <= allowed:
            raise YotoError(
                f"The baked network should give the bound network's outputs. Found a relative deviation of "
                f"{relative:.1e} on the probe, above {allowed:.0e}. Usually a layer's weight is used without "
                "calling the layer: leave it out with exclude=."
            )


def call(network: nn.Module, inputs: Any) -> Any:
    """Run a network on a tensor, a tuple of arguments or a dict of keyword arguments."""
    if isinstance(inputs, Mapping):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, (tuple, list)) else network(inputs)


def untie(net: nn.Module, sites: Sequence[str]) -> None:
    """Give each site parameters of its own where another module shares them, and say so."""
    owners: dict[int, set[tuple[int, str]]] = {}
    for module in net.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                owners.setdefault(id(parameter), set()).add((id(module), key))
    for name in sites:
        module = net.get_submodule(name)
        for key, parameter in list(module._parameters.items()):
            if parameter is not None and len(owners[id(parameter)]) > 1:
                warnings.warn(
                    f"bake(): {name}.{key} is shared with another layer and is untied in the result.",
                    stacklevel=3,
                )
                owners[id(parameter)].discard((id(module), key))
                module._parameters[key] = nn.Parameter(
                    parameter.detach().clone(), requires_grad=parameter.requires_grad
                )


def recalibrate_norms(net: nn.Module, batches: Iterable[Any]) -> None:
    """Re-estimate running statistics of batch norms as plain averages over `batches`."""
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    batches = list(batches)
    if not batches:
        raise YotoError("`recalibrate` should hold at least one batch. Found none.")
    modes, momenta = [m.training for m in net.modules()], [m.momentum for m in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.training = True
    for batch in batches:
        call(net, batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in zip(net.modules(), modes, strict=True):
        module.training = mode
