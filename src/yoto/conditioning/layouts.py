"""How the samples of a batch lie in a layer's output: along which axis, and in which order.

Layers see a batch of B samples as it is, with each sample's parts behind one another (windows, frames, heads), or with
the whole batch repeated. A λ per sample is expanded to that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from torch import Tensor

from yoto.errors import YotoError

Order = Literal["plain", "repeated", "tiled"]


@dataclass(frozen=True)
class SampleLayout:
    """Where the samples are in an output of `ndim` axes.

    Attributes:
        ndim: Number of axes of the output.
        axis: The one that holds the samples.
        order: "plain": B entries. "repeated": k·B, the k of a sample in a row. "tiled": k·B, the batch k times.
    """

    ndim: int
    axis: int
    order: Order = "plain"

    def fits(self, output: Tensor, samples: int) -> bool:
        """Whether an output may hold so many samples in this way."""
        if output.ndim != self.ndim:
            return False
        size = output.shape[self.axis]
        return size == samples if self.order == "plain" else size % samples == 0

    def expand(self, values: Tensor, output: Tensor) -> Tensor:
        """Values per sample [B, C] as values per entry of the samples' axis [k·B, C]."""
        if self.order == "plain":
            return values
        times = output.shape[self.axis] // values.shape[0]
        return values.repeat_interleave(times, 0) if self.order == "repeated" else values.repeat(times, 1)


def told_apart(layouts: Sequence[SampleLayout]) -> bool:
    """Whether an output's shape and the number of samples show which of a layer's layouts it has.

    Of one axis with and without repeats they do; of two axes too, but where these are equally long.
    """
    return all(
        a.ndim != b.ndim
        or (a.axis == b.axis and "plain" in (a.order, b.order))
        or (a.axis != b.axis and a.order == b.order == "plain")
        for a, b in combinations(layouts, 2)
    )


def fitting(layouts: Sequence[SampleLayout], output: Tensor, samples: int, channels: int) -> SampleLayout | None:
    """The layout of an output whose channels lie along an axis; None where none fits.

    Raises:
        YotoError: If two axes may hold the samples.
    """
    fit = [each for each in layouts if each.ndim > each.axis != channels and each.fits(output, samples)]
    if any(each.axis != fit[0].axis for each in fit):
        raise YotoError(
            f"A layer that is called in several ways should have outputs with {samples} samples along one axis. Found "
            f"shape {tuple(output.shape)}, where several have so many. Give a batch of another size."
        )
    return next((each for each in fit if each.order == "plain"), fit[0] if fit else None)


def layout_of(changed: dict[int, list[Tensor]], shape: Sequence[int], samples: int) -> SampleLayout | None:
    """The layout that explains which entries of an output change with which sample, or None.

    Args:
        changed: For some samples, the indices along each axis at which the output changed when that sample did.
        shape: The output's.
        samples: B.
    """
    for axis, size in enumerate(shape):
        if size % samples:
            continue
        times = size // samples
        orders: list[Order] = ["plain"] if times == 1 else ["repeated", "tiled"]
        for order in orders:
            if all(
                set(indices[axis].tolist()) <= entries(order, sample, samples, times)
                for sample, indices in changed.items()
            ):
                return SampleLayout(len(shape), axis, order)
    return None


def entries(order: Order, sample: int, samples: int, times: int) -> set[int]:
    """Where a sample's entries are along the axis that holds them."""
    if order == "tiled":
        return set(range(sample, samples * times, samples))
    return set(range(sample * times, (sample + 1) * times))
