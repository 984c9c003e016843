"""Running networks for comparison: equal random numbers, float64, gradients."""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

import yoto
from networks.outputs import tensors
from networks.report import Case
from yoto import LogUniform, LossSpace
from yoto.conditioning.copies import copy_of

SPACE = LossSpace(fit=1.0, penalty=LogUniform(0.1, 10.0))


class SawSingle(TorchDispatchMode):
    """Notices whether a network that was put into float64 computes in a narrower type all the same."""

    found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dtype != torch.float64 and leaf.ndim:
                self.found = True
        return result


def run(net: nn.Module, values: Any, extra: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """The network on positional or keyword arguments, with equal random numbers every time."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  what networks draw from
    random.seed(0)
    options = {**(extra or {}), **more}
    return net(**values, **options) if isinstance(values, dict) else net(*values, **options)


def double(net: nn.Module) -> nn.Module:
    """A copy in float64, complex parameters included."""
    types = {torch.complex64: torch.complex128}
    return copy_of(net)._apply(lambda t: t.double() if t.is_floating_point() else t.to(types.get(t.dtype, t.dtype)))


@torch.no_grad()
def liven(net: nn.Module) -> nn.Module:
    """Moves parameters that start as constants (zero-initialised heads, layer scales), so that every layer counts."""
    generator = torch.Generator().manual_seed(7)
    for parameter in net.parameters():
        if parameter.is_floating_point() and bool((parameter == parameter.flatten()[:1]).all()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return net


@torch.no_grad()
def shake(model: nn.Module, by: float = 0.3) -> nn.Module:
    """A conditioning network as after training: scales and shifts that differ much between λ."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.film.parameters():
        parameter += by * torch.randn(parameter.shape, generator=generator)
    return model


@torch.no_grad()
def still(model: nn.Module) -> nn.Module:
    """A copy whose conditioning network gives scale 1 and shift 0."""
    model = copy_of(model)
    for parameter in model.film.parameters():
        parameter.zero_()
    return model


def fresh(case: Case, seed: int = 0) -> nn.Module:
    """A network of the case in evaluation mode."""
    torch.manual_seed(seed)
    return case.make().eval()


def lambdas(size: int) -> Tensor:
    """A λ per sample, all far apart [B, 2]."""
    return SPACE.grid(size).double()


def probe(tensor: Tensor) -> Tensor:
    """Fixed random weights of a tensor's elements."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)


def backward(output: Any) -> dict[str, Tensor]:
    """Sends fixed gradients back from every tensor of an output; the tensors."""
    found = tensors(output)
    sum((t * probe(t)).sum() for t in found.values() if t.requires_grad).backward()
    return found


def gradients(ours: nn.Module, theirs: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of equal parameters by name, small ones beside the largest of all."""
    found = [{n: p.grad for n, p in net.named_parameters() if p.grad is not None} for net in (ours, theirs)]
    floor = 1e-6 * max((float(g.abs().max()) for g in found[1].values()), default=0.0)

    def padded(gradient: Tensor) -> Tensor:
        flat = (torch.view_as_real(gradient) if gradient.is_complex() else gradient).flatten()
        return torch.cat([flat, flat.new_tensor([floor])])

    names = {n for grads in found for n, g in grads.items() if g.abs().max() > floor}
    shapes = {n: p for grads in found for n, p in grads.items()}
    mine, reference = ({n: padded(g.get(n, torch.zeros_like(shapes[n]))) for n in names} for g in found)
    return mine, reference


def nudged(net: nn.Module, seed: int) -> nn.Module:
    """A copy whose parameters differ in their last place: where symbols are rounded, that may flip some of them."""
    copied, draws = copy_of(net), torch.Generator().manual_seed(seed)
    for parameter in copied.parameters():
        step = torch.finfo(parameter.dtype).eps * (2 * torch.rand(parameter.shape, generator=draws) - 1)
        parameter.data.mul_(1 + step.to(parameter.dtype))
    return copied


def conditioned(net: nn.Module, case: Case) -> tuple[nn.Module, list[str]]:
    """`condition(net, space, example=…)`, and the remarks that it made."""
    settings = dict(case.settings)
    if "example" in inspect.signature(yoto.condition).parameters:
        settings["example"] = case.inputs.values
    if case.inputs.batch_dim:
        settings["batch_dim"] = case.inputs.batch_dim
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = yoto.condition(net, SPACE, **settings)
    return model, [str(w.message) for w in caught if "condition()" in str(w.message)]
