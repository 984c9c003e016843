"""Finding out how a layer folds by trying it: which of its parameters scales its output per channel, and where.

A layer of any class folds if its output, or what it hands to its first child (an activation, say), is affine per
channel in parameters of its own. Each guess is tried with random factors, in float64 where the layer computes in it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from yoto.conditioning.folding import NORMS, SHAPED, Layer, deviation, example_input, folded, tolerance_of
from yoto.errors import YotoError

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
OFFSETS = (0.0, 1.0)
"""What a parameter may have added to it before it scales: Gemma's norms multiply by 1 + weight."""


def is_leaf(module: nn.Module) -> bool:
    """Whether a module has floating parameters of its own, and none in its children."""
    own = list(module.parameters(recurse=False))
    return bool(own) and len(own) == len(list(module.parameters())) and all(p.is_floating_point() for p in own)


class Trial:
    """A float64 copy of a layer to be run with other parameters, on one input.

    Args:
        module: The layer.
        inputs: Positional and keyword arguments of a call.
        before: Name of a child: the result is what that child gets, in place of the layer's output.
    """

    def __init__(self, module: nn.Module, inputs: Inputs, before: str = "") -> None:
        self.module = copy.deepcopy(module).cpu().double().eval()
        self.args, self.kwargs = pytree.tree_map_only(Tensor, widened, inputs)
        self.before = before
        self.own = dict(self.module.named_parameters(recurse=False))
        self.kept = {n: p.detach().clone() for n, p in self.own.items()}

    @torch.no_grad()
    def __call__(self, values: Mapping[str, Tensor] | None = None) -> Tensor | None:
        """The layer's result with some parameters replaced; None where it is no floating tensor."""
        seen: list[Tensor] = []
        handle = None
        if self.before:

            def look(_: nn.Module, args: Any) -> None:
                if args and isinstance(args[0], Tensor) and not seen:
                    seen.append(args[0].clone())

            handle = self.module.get_submodule(self.before).register_forward_pre_hook(look)
        try:
            for name, value in (values or {}).items():
                self.own[name].data.copy_(value)
            output = self.module(*self.args, **self.kwargs)
        finally:
            if handle is not None:
                handle.remove()
            for name in values or {}:
                self.own[name].data.copy_(self.kept[name])
        result = (seen[0] if seen else None) if self.before else output
        return result if isinstance(result, Tensor) and result.is_floating_point() else None


def widened(value: Tensor) -> Tensor:
    """A tensor as a trial takes it."""
    value = value.detach().cpu()
    return value.double() if value.is_floating_point() else value


def guesses(trial: Trial, output: Tensor) -> Iterator[tuple[Layer, int]]:
    """The ways in which a layer might fold, and the axis of its output that each means."""
    for name, parameter in trial.own.items():
        for weight_axis, size in enumerate(parameter.shape):
            biases = [n for n, p in trial.own.items() if n != name and p.shape == (size,)]
            for axis in reversed(range(output.ndim)):
                if output.shape[axis] != size:
                    continue
                for offset in OFFSETS:
                    for bias in (*biases, None):
                        yield (
                            Layer(
                                channels=size,
                                shift=bias is not None,
                                spatial=output.ndim - 1 - axis,
                                weight_axis=weight_axis,
                                weight=name,
                                bias=bias or "bias",
                                offset=offset,
                                axes=((output.ndim, axis),),
                                before=trial.before,
                            ),
                            axis,
                        )


def folds(trial: Trial, output: Tensor, layer: Layer, axis: int) -> bool:
    """Whether folded parameters give the scaled and shifted output."""
    generator = torch.Generator().manual_seed(0)
    scale = 0.5 + torch.rand(layer.channels, generator=generator, dtype=torch.float64)
    shift = torch.randn(layer.channels, generator=generator, dtype=torch.float64) if layer.shift else None
    shape = [1] * output.ndim
    shape[axis] = -1
    expected = output * scale.view(shape) + (0 if shift is None else shift.view(shape))
    found = trial(folded(trial.module, layer, scale, shift))
    return found is not None and found.shape == output.shape and deviation(found, expected) <= tolerance_of(output)


def usual_inputs(module: nn.Module) -> list[Inputs]:
    """Inputs on which a layer of a known kind may run: flat, with a length, and maps with channels first or last."""
    generator = torch.Generator().manual_seed(0)
    width = next((int(p.shape[0]) for p in module.parameters(recurse=False)), 0)
    shapes: tuple[tuple[int, ...], ...]
    if isinstance(module, SHAPED):
        width = int(module.normalized_shape[-1])
        shapes = ((2, width), (2, 5, width), (2, width, 3, 7))
    elif isinstance(module, NORMS):
        shapes = ((2, width), (2, width, 5), (2, width, 3, 7), (2, width, 3, 5, 7))
    else:
        return [((example_input(module, generator),), {})]
    return [((torch.randn(shape, generator=generator, dtype=torch.float64),), {}) for shape in shapes]


def fit(module: nn.Module, inputs: Sequence[Inputs]) -> Layer | None:
    """How a layer folds on all of some inputs, at its output or in front of its first child; None where it does not.

    Args:
        module: The layer, see `is_leaf`.
        inputs: Arguments of calls; those with which it cannot be run are passed over.
    """
    result: Layer | None = None
    for each in inputs:
        try:
            found = fit_one(module, each)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, AssertionError, YotoError):
            continue
        if found is None:
            return None
        if result is not None:
            if (result.weight, result.weight_axis, result.bias, result.offset, result.before) != (
                found.weight, found.weight_axis, found.bias, found.offset, found.before,
            ):  # fmt: skip
                return None
            found = result.also(found.axes)
        result = found
    return result


def fit_one(module: nn.Module, inputs: Inputs) -> Layer | None:
    """As `fit`, on one input."""
    for before in ("", *(name for name, _ in module.named_children())):
        trial = Trial(module, inputs, before)
        output = trial()
        if output is None or not output.numel():
            continue
        for layer, axis in guesses(trial, output):
            if folds(trial, output, layer, axis):
                return layer
    return None
