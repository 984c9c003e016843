"""A probing run: what a network's layers do with a batch, learned from an example of its inputs.

The network runs as a copy of its own, in evaluation mode and in float64 where that works: once on the example, once for
each of up to three samples with that sample in another's place (of the first its masks and lengths change too), and
once or twice with a sample more; again in its own type where float64 fails. Buffers, modes and random states of the
network stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.utils import _pytree as pytree

from yoto.conditioning.copies import copy_of, double, doubled
from yoto.conditioning.examples import disturbed, longer, replaced, sample_count, varied
from yoto.conditioning.fast_path import leave_fast_path
from yoto.conditioning.layouts import SampleLayout, entries, layout_of, told_apart
from yoto.conditioning.reads import Reads
from yoto.errors import YotoError
from yoto.support.graphs import without_graph
from yoto.support.outputs import consumed
from yoto.support.seeds import seed_all, streams_kept

DOUBLE = (torch.float64, torch.complex128)
MIXED = "its output mixes the samples of a batch"
MOVED = "its output holds the samples of a batch in another order"
UNEVEN = "its output holds other things than samples too: it does not grow in step with them"
CHANGED = 1e-9
"""Relative change of an output, in float64, from which on it counts as one; a thousandfold in float32."""


@dataclass
class Call:
    """One call of a layer in the run on the example: what went in, what came out (`raw`), and a copy of it."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    raw: Tensor
    output: Tensor

    def feeds(self, other: Call) -> bool:
        """Whether another layer got this output as its first argument, as it is."""
        given = other.args[0] if other.args else None
        return isinstance(given, Tensor) and given.data_ptr() == self.raw.data_ptr() and given.shape == self.raw.shape


@dataclass
class Found:
    """What a probing run learned.

    Attributes:
        calls: Of every layer that was asked about and ran, by name.
        layouts: Of every layer that ran: its layouts, or why a λ per sample cannot reach it.
        alike: Layers whose outputs hold the samples, which are all alike there.
        read: Layers whose parameters are used elsewhere than in their calls.
        shadow: The copy of the network that ran; `again(net)` runs another one in the same way, on `example`.
    """

    shadow: nn.Module
    again: Callable[[nn.Module], dict[str, list[Call]]]
    example: Any
    tolerance: float
    samples: int
    calls: dict[str, list[Call]]
    layouts: dict[str, tuple[SampleLayout, ...] | str] = field(default_factory=dict)
    alike: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)

    def known(self) -> dict[str, tuple[SampleLayout, ...]]:
        """The layouts of the layers that a λ per sample can reach."""
        return {name: layouts for name, layouts in self.layouts.items() if isinstance(layouts, tuple)}

    def unusual(self, names: Sequence[str], batch_dim: int) -> dict[str, tuple[SampleLayout, ...]]:
        """The layouts of those layers whose outputs do not just hold one entry per sample along `batch_dim`."""
        known = {name: self.layouts.get(name) for name in names}
        return {
            name: layouts
            for name, layouts in known.items()
            if isinstance(layouts, tuple) and any((e.axis, e.order) != (batch_dim, "plain") for e in layouts)
        }


@contextmanager
def recording(net: nn.Module, names: Sequence[str], into: dict[str, list[Call]], inputs: bool) -> Iterator[None]:
    """A block in which the calls of layers are kept, by the layer's name."""

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and is_functorch_wrapped_tensor(output):
                into.setdefault(name, [])
            elif isinstance(output, Tensor) and (output.is_floating_point() or output.is_complex()):
                given = pytree.tree_map_only(Tensor, Tensor.detach, (args, kwargs)) if inputs else ((), {})
                into.setdefault(name, []).append(Call(given[0], given[1], output.detach(), output.detach().clone()))

        return hook

    handles = [net.get_submodule(n).register_forward_hook(keep(n), with_kwargs=True) for n in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def run(net: nn.Module, leaves: Sequence[Any], spec: Any, names: Sequence[str], inputs: bool) -> dict[str, list[Call]]:
    """The calls of layers in one run with fixed random numbers."""
    into: dict[str, list[Call]] = {}

    def call() -> None:
        into.clear()
        args, kwargs = pytree.tree_unflatten([own(leaf) for leaf in leaves], spec)
        seed_all(0)
        consumed(net(*args, **kwargs))

    with streams_kept(), recording(net, names, into, inputs):
        without_graph(call)
    return into


def own(leaf: Any) -> Any:
    """A copy of an input, which the network may change in place."""
    return leaf.detach().clone().requires_grad_(leaf.requires_grad) if isinstance(leaf, Tensor) else leaf


def copied(net: nn.Module) -> nn.Module:
    """A copy of a network to run: in evaluation mode, with buffers and random states of its own."""
    try:
        result = copy_of(net).eval()
    except Exception as error:  # noqa: BLE001 - whatever a network's own parts raise
        raise YotoError(f"The network cannot be copied: {' '.join(str(error).split())[:150]}.") from None
    leave_fast_path(result.modules())
    return result


def does_not_run(on: str, error: Exception) -> YotoError:
    """What is said of a network that fails on inputs."""
    return YotoError(
        f"The network should run on {on}. Found {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    )


def probe(
    net: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], batch_dim: int, names: Sequence[str]
) -> Found:
    """Learn from one example what the layers do with its samples.

    Args:
        net: The plain network.
        args, kwargs: The example's inputs, with at least two samples.
        batch_dim: The axis of the inputs that holds the samples.
        names: Which layers.

    Raises:
        YotoError: If the network cannot be run on the example, or it holds fewer than two samples.
    """
    leaves, spec = pytree.tree_flatten((tuple(args), dict(kwargs)))
    samples = sample_count(leaves, batch_dim)
    if samples < 2:
        raise YotoError(
            f"`example` should hold at least two samples along axis {batch_dim} of its inputs. Found {samples}."
        )
    if any(isinstance(leaf, Tensor) and leaf.is_nested for leaf in leaves):
        raise YotoError("`example` should hold dense tensors. Found a nested one. Give samples of one length.")
    leaves = varied(leaves, batch_dim, samples)
    shadow, tolerance = copied(net), CHANGED
    try:
        shadow = double(shadow)
        wide = [doubled(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        with Reads(shadow) as reads:
            base = run(shadow, wide, spec, names, inputs=True)
        leaves = wide
    except Exception:  # noqa: BLE001 - a network may insist on its own type anywhere
        shadow, tolerance = copied(net), CHANGED * 1000
        try:
            with Reads(shadow) as reads:
                base = run(shadow, leaves, spec, names, inputs=True)
        except Exception as error:  # noqa: BLE001
            raise does_not_run("`example`", error) from None
    refuse_moves(shadow, names)
    refuse_changes(net, shadow, partial(run, leaves=leaves, spec=spec, names=(), inputs=False))
    numbers = sorted({0, 1, samples - 1})
    try:
        others = {n: run(shadow, replaced(leaves, batch_dim, samples, n), spec, names, inputs=False) for n in numbers}
    except Exception as error:  # noqa: BLE001
        raise does_not_run("`example` with a sample in its neighbour's place too", error) from None
    more = disturbed(replaced(leaves, batch_dim, samples, 0), batch_dim, samples)
    others |= {0: tried(shadow, more, spec, names) or others[0]} if more else {}
    grown = tried(shadow, longer(leaves, batch_dim, samples), spec, names)
    second = tried(shadow, longer(leaves, batch_dim, samples, 0), spec, names) if samples == 2 else {}
    again = partial(run, leaves=leaves, spec=spec, names=names, inputs=False)
    given = pytree.tree_unflatten(list(leaves), spec)
    found = Found(shadow, again, given[0] or given[1], tolerance, samples, base, read=reads.names)
    for name, calls in base.items():
        seen = {n: other.get(name, []) for n, other in others.items()}
        more = [each.get(name, []) for each in (grown, second)]
        found.layouts[name], alike = common_layouts(calls, seen, more, samples, tolerance)
        if alike:
            found.alike.add(name)
    return found


def tried(net: nn.Module, leaves: Sequence[Any], spec: Any, names: Sequence[str]) -> dict[str, list[Call]]:
    """A run on other inputs; no calls where it fails, since a network may insist on its batch."""
    try:
        return run(net, leaves, spec, names, inputs=False)
    except Exception:  # noqa: BLE001 - whatever a network's own parts raise
        return {}


def refuse_moves(shadow: nn.Module, names: Sequence[str]) -> None:
    """Refuse a network that took layers from their places while it ran: sites are known by their places."""
    places = dict(shadow.named_modules())
    name = next((name for name in names if name not in places), None)
    if name is not None:
        raise YotoError(
            f"A network should keep its layers in their places when it runs. Found that {name!r} is gone after a call: "
            "run the network once on such inputs before conditioning it."
        )


def refuse_changes(net: nn.Module, shadow: nn.Module, again: Callable[[nn.Module], Any]) -> None:
    """Refuse a network that changes its own parameters at every λ: bound networks share them.

    A change that leaves changed parameters as they are (a mask on a kernel) may be made again.

    Args:
        shadow: A copy that ran.
        again: Runs another copy, on the same inputs.
    """
    if changed(net, shadow) is None:
        return
    other = copied(net)
    other = double(other) if next(shadow.parameters()).dtype in DOUBLE else other
    other.load_state_dict(shadow.state_dict())
    again(other)
    name = changed(shadow, other)
    if name is not None:
        raise YotoError(
            f"A network should leave its parameters alone when it runs. Found that it changes {name!r}, which it would "
            "do anew at every λ. Have it do so beforehand, or not at all."
        )


def changed(before: nn.Module, after: nn.Module) -> str | None:
    """The first parameter that differs between two copies of a network."""
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        if not torch.equal(old.to(new.dtype), new):
            return name
    return None


def common_layouts(
    calls: Sequence[Call],
    others: Mapping[int, Sequence[Call]],
    more: Sequence[Sequence[Call]],
    samples: int,
    tolerance: float,
) -> tuple[tuple[SampleLayout, ...] | str, bool]:
    """The layouts of one layer's calls, or why a λ per sample cannot reach it; and whether its samples are all alike.

    Args:
        calls: In the run on the example.
        others: In the runs in which one sample was replaced, by its number.
        more: In runs with one sample more: the last once more, and of two samples the first.
    """
    if not calls:
        return "it runs under torch.func, which hides the samples", False
    result: list[SampleLayout] = []
    alike = False
    grown = [each for each in more if len(each) == len(calls)]
    for index, call in enumerate(calls):
        changed: dict[int, list[Tensor]] = {}
        for number, other in others.items():
            if len(other) != len(calls) or other[index].output.shape != call.output.shape:
                return "it runs otherwise for other samples", False
            changed[number] = differing(call.output, other[index].output, tolerance)
        layout: SampleLayout | None
        if any(len(indices) for each in changed.values() for indices in each):
            layout = layout_of(changed, call.output.shape, samples)
        else:  # the samples are there but alike, or they are not there
            alike = True
            layout = layout_by_size(call, grown[0][index] if grown else call, samples)
            if layout is None:
                return "its output is the same for all samples", True
        if layout is None:
            return MOVED if moves(changed, call.output.shape, samples) else MIXED, False
        reason = belied(layout, call.output, [each[index].output for each in grown], samples, tolerance)
        if reason is not None:
            return reason, False
        if layout not in result:
            result.append(layout)
    if not told_apart(result):
        return "its calls lay the samples out in several ways", False
    return tuple(result), alike


def differing(output: Tensor, other: Tensor, tolerance: float) -> list[Tensor]:
    """The indices along each axis at which an output of the same shape differs."""
    mask = (other - output).abs() > tolerance * output.abs().max().clamp_min(1e-30)
    return [torch.unique(indices) for indices in mask.nonzero(as_tuple=True)]


def belied(layout: SampleLayout, output: Tensor, more: Sequence[Tensor], samples: int, tolerance: float) -> str | None:
    """What outputs for a batch with a sample more show against a layout; None if nothing.

    Args:
        more: With the last sample once more; of two samples also with the first, where the second of three differs.
    """
    axis, size = layout.axis, output.shape[layout.axis] // samples
    if any(each.ndim != output.ndim or each.shape[axis] != size * (samples + 1) for each in more):
        return UNEVEN
    if len(more) < 2 or more[0].shape != more[1].shape:
        return None
    places = entries(layout.order, 1, samples + 1, size)
    return None if set(differing(more[0], more[1], tolerance)[axis].tolist()) <= places else MOVED


def moves(changed: Mapping[int, Sequence[Tensor]], shape: Sequence[int], samples: int) -> bool:
    """Whether a sample leaves its own entry as it is, along each axis that has an entry for every sample."""
    axes = [axis for axis, size in enumerate(shape) if size == samples]
    return bool(axes) and all(
        any(len(indices[axis]) and sample not in indices[axis].tolist() for sample, indices in changed.items())
        for axis in axes
    )


def layout_by_size(call: Call, grown: Call, samples: int) -> SampleLayout | None:
    """The layout of an output with one entry per sample along the only axis that is longer with a sample more."""
    before, after = call.output.shape, grown.output.shape
    axes = [axis for axis, (a, b) in enumerate(zip(before, after, strict=False)) if a != b]
    if len(before) != len(after) or len(axes) != 1 or (before[axes[0]], after[axes[0]]) != (samples, samples + 1):
        return None
    return SampleLayout(len(before), axes[0])
