"""How the samples of a batch lie in a layer's output: along which axis, and in which order.

Layers see a batch of B samples as it is, with each sample's parts behind one another (windows, frames, heads), or with
the whole batch repeated. A λ per sample is expanded to that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

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
