"""Finding out how a layer folds by trying it: which of its parameters scales its output per channel, and where.

A layer of any class folds if its output, what it hands to a child (an activation, say), or what the `forward` of the
class of torch that it derives from gives, is affine per channel in parameters of its own. Each guess is tried with
random parameters and factors, in float64 where the layer computes in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from yoto.conditioning.copies import copy_of
from yoto.conditioning.derived import derived
from yoto.conditioning.folding import (
    CPU,
    FOLDABLE,
    NORMS,
    SHAPED,
    Layer,
    adds_parameters,
    deviation,
    example_input,
    folded,
    random_scale,
    tolerance_of,
)
from yoto.support.seeds import seed_all, streams_kept

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
Change = Callable[[Tensor], Tensor]
OFFSETS = (0.0, 1.0)
"""What a parameter may have added to it before it scales: Gemma's norms multiply by 1 + weight."""


def is_leaf(module: nn.Module) -> bool:
    """Whether a module has floating parameters of its own, and none in its children (an activation of a norm may)."""
    own = list(module.parameters(recurse=False))
    alone = isinstance(module, FOLDABLE) or len(own) == len(list(module.parameters()))
    return bool(own) and alone and all(p.is_floating_point() for p in own)


TRIAL = "trial of yoto"
"""Attribute of a layer on trial that holds the trial."""


class Between(nn.Module):
    """Mixed in between a layer's class and torch's that it derives from: shows what the latter's `forward` gives."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output, as the trial would have it."""
        trial: Trial = getattr(self, TRIAL)
        return trial.passed(super().forward(*args, **kwargs))


def torchs(module: nn.Module) -> type[nn.Module] | None:
    """The class of torch's layers that a class of somebody else's derives from; None for torch's own."""
    if type(module) in FOLDABLE or type(module).__module__.startswith("torch.nn."):
        return None
    ancestors = (each for each in type(module).__mro__ if each.__module__.startswith("torch.nn."))
    return next((each for each in ancestors if issubclass(each, FOLDABLE)), None)


class Trial:
    """A float64 copy of a layer to be run with other parameters, on one input.

    Args:
        module: The layer.
        inputs: Positional and keyword arguments of a call.
        before: Name of a child: the result is what that child gets, in place of the layer's output.
        inside: A class that the layer derives from: the result is what its `forward` gives.
    """

    def __init__(
        self, module: nn.Module, inputs: Inputs, before: str = "", inside: type[nn.Module] | None = None
    ) -> None:
        self.module = copy_of(module).cpu().double().eval()
        self.args, self.kwargs = pytree.tree_map_only(Tensor, widened, inputs)
        self.before = before
        self.inside = "" if inside is None else inside.__name__
        self.seen: list[Any] = []
        self.change: Change | None = None
        self.whole: list[Tensor] = []
        if inside is not None:
            between = type("Between", (Between, inside), {})
            self.module.__class__ = derived(type(module).__name__, (type(module), between))
            self.module.__dict__[TRIAL] = self
        elif before:
            self.module.get_submodule(before).register_forward_pre_hook(
                lambda _, args: (self.passed(args[0]), *args[1:]) if args else None
            )
        self.own = dict(self.module.named_parameters(recurse=False))
        self.all = dict(self.module.named_parameters())
        self.kept = {n: p.detach().clone() for n, p in self.all.items()}
        self.trains = isinstance(module, FOLDABLE) and adds_parameters(module)

    def passed(self, value: Any) -> Any:
        """What goes on from the place that is looked at: a tensor as `change` makes it."""
        self.seen.append(value.clone() if isinstance(value, Tensor) else None)
        return value if self.change is None else self.change(value)

    @torch.no_grad()
    def __call__(
        self, values: Mapping[str, Tensor] | None = None, change: Change | None = None, training: bool = False
    ) -> Tensor | None:
        """The result with some parameters replaced, or None where it is no floating tensor; `whole` is the layer's.

        Args:
            change: Made to the result on its way to the rest of the layer.
        """
        self.seen.clear()
        self.change = change
        self.module.train(training)
        for name, value in {**self.kept, **(values or {})}.items():
            self.all[name].data.copy_(value)
        args, kwargs = pytree.tree_map_only(Tensor, Tensor.clone, (self.args, self.kwargs))
        with streams_kept(CPU) if training else nullcontext():
            if training:
                seed_all(0, CPU)
            output = self.module(*args, **kwargs)
        for name, value in self.kept.items():
            self.all[name].data.copy_(value)
        self.whole = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]
        if self.before or self.inside:
            output = self.seen[0] if len(self.seen) == 1 else None
        elif change is not None:
            self.whole = [change(output)]
        return output if isinstance(output, Tensor) and output.is_floating_point() else None

    def vary(self, weight: str, like: Tensor) -> None:
        """Set the parameters to other values than they start from, vectors beside `weight` to the size of an output.

        A bias that is 0, or too small beside the outputs to be seen, would make a layer with a ReLU look linear, and a
        projection that starts at 0, a child's too, do nothing.
        """
        generator = torch.Generator().manual_seed(1)
        size = float(like.abs().mean())
        for name, value in self.kept.items():
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            if name != weight and value.ndim == 1:
                self.kept[name] = noise * (size or 1.0)
            else:
                self.kept[name] = value + 0.3 * noise * (float(value.abs().mean()) or 1.0)


def widened(value: Tensor) -> Tensor:
    """A tensor as a trial takes it."""
    value = value.detach().cpu()
    return value.double() if value.is_floating_point() else value


def guesses(trial: Trial, name: str, output: Tensor) -> Iterator[tuple[Layer, int]]:
    """The ways in which a layer might fold into a parameter, and the axis of its output that each means."""
    for weight_axis, size in enumerate(trial.own[name].shape):
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
                            inside=trial.inside,
                        ),
                        axis,
                    )


def folds(trial: Trial, output: Tensor, layer: Layer, axis: int) -> bool:
    """Whether folded parameters give the scaled and shifted output, in training mode too where that is asked."""
    generator = torch.Generator().manual_seed(0)
    scale = random_scale(layer.channels, generator)
    shift = torch.randn(layer.channels, generator=generator, dtype=torch.float64) if layer.shift else None
    shape = [1] * output.ndim
    shape[axis] = -1

    def change(value: Tensor) -> Tensor:
        return value * scale.view(shape) + (0 if shift is None else shift.view(shape))

    new = folded(trial.module, layer, scale, shift)
    if not agree(trial, output, new, change):
        return False
    if trial.trains:
        try:
            trained = trial(training=True)
            return trained is not None and agree(trial, trained, new, change, training=True)
        except Exception:  # noqa: BLE001 - these samples may be too few to train on
            trial()
    return True


def agree(trial: Trial, output: Tensor, new: Mapping[str, Tensor], change: Change, training: bool = False) -> bool:
    """Whether new parameters change the output, and what the rest of the layer makes of it, as `change` would."""
    found = trial(new, training=training)
    whole, allowed = trial.whole, tolerance_of(output)
    if found is None or found.shape != output.shape or not deviation(found, change(output)) <= allowed:
        return False
    trial(change=change, training=training)  # the rest of the layer may use the parameters too
    pairs = list(zip(whole, trial.whole, strict=False))
    return len(whole) == len(trial.whole) and all(a.shape == b.shape and deviation(a, b) <= allowed for a, b in pairs)


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


def holds(module: nn.Module, inputs: Sequence[Inputs], layer: Layer) -> bool:
    """Whether a layer folds as another of its class and shapes does: they may differ in what no shape shows."""
    base = torchs(module) if layer.inside else None
    try:
        for each in inputs:
            trial = Trial(module, each, layer.before, base)
            output = trial()
            if output is None or trial.inside != layer.inside:
                return False
            trial.vary(layer.weight, output)
            varied = trial()
            if varied is None or not folds(trial, varied, layer, layer.channel_axis(varied)):
                return False
    except Exception:  # noqa: BLE001 - whatever a layer raises when it is run on its own
        return False
    return True


def fit(module: nn.Module, inputs: Sequence[Inputs]) -> Layer | None:
    """How a layer folds on all of some inputs, at its output or inside; None where it does not.

    Args:
        module: The layer, see `is_leaf`.
        inputs: Arguments of calls; those with which it cannot be run are passed over.
    """
    result: Layer | None = None
    for each in inputs:
        try:
            found = fit_one(module, each)
        except Exception:  # noqa: BLE001, S112 - likewise
            continue
        if found is None:
            return None
        if result is not None:
            if replace(result, axes=(), spatial=0) != replace(found, axes=(), spatial=0):
                return None
            found = result.also(found.axes)
        result = found
    return result


def fit_one(module: nn.Module, inputs: Inputs) -> Layer | None:
    """As `fit`, on one input."""
    base = torchs(module)
    trials = [Trial(module, inputs)]
    trials += [Trial(module, inputs, before=name) for name, _ in module.named_children()]
    trials += [] if base is None else [Trial(module, inputs, inside=base)]
    for trial in trials:
        output, kept = trial(), trial.kept
        if output is None or not output.numel() or [t.shape for t in trial.whole] != [output.shape]:
            continue  # inside, too, the samples have to lie as they do in the layer's output
        for name in trial.own:
            trial.kept = dict(kept)
            trial.vary(name, output)
            varied = trial()
            for layer, axis in guesses(trial, name, output):
                if varied is not None and folds(trial, varied, layer, axis):
                    return layer
    return None
