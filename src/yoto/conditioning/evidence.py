"""What the calls of a layer show of its samples: their layouts, or why a λ per sample cannot reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from yoto.conditioning.layouts import SampleLayout, entries, layout_of, told_apart

MIXED = "its output mixes the samples of a batch"
MOVED = "its output holds the samples of a batch in another order"
UNEVEN = "its output holds other things than samples too: it does not grow in step with them"


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
