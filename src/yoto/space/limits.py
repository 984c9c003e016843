"""Whether λ lies in the range of a loss space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.space.space import LossSpace

SUM = 1e-2
"""Slack of the sum of shares, which half precision leaves."""


def refuse_outside(space: LossSpace, lam: Tensor) -> None:
    """Refuse λ [..., D] with a free column outside its range, or shares that do not sum to 1, but for rounding.

    What has no values to look at (under `torch.func.vmap`, on the meta device) passes.

    Raises:
        YotoError: Naming the column and its range, or the columns of the sum.
    """
    if not lam.numel():
        return  # of no sample
    columns = lam.detach().reshape(-1, lam.shape[-1])
    shares = [(each.total, space.slices[n]) for n, each in space.parameters.items() if each.total is not None]
    try:
        lowest, highest = columns.amin(0).tolist(), columns.amax(0).tolist()
        sums = [[float(end) for end in columns[:, place].float().sum(1).aminmax()] for _, place in shares]
    except RuntimeError:  # of what torch.func wraps, and NotImplementedError of the meta device
        return
    limits = [pair for name in space.parameters for pair in space.parameters[name].limits()]
    for name, low, high, (least, most) in zip(space.names, lowest, highest, limits, strict=True):
        if not (least <= low and high <= most):
            found = high if low >= least else low
            raise YotoError(
                f"`{name}` of λ should lie in [{least:.4g}, {most:.4g}], its range in this loss space. "
                f"Found {found:g}. Draw λ with space.sample, or allow extrapolation (extrapolate=True)."
            )
    for (total, place), (least, most) in zip(shares, sums, strict=True):
        if not total - SUM <= least <= most <= total + SUM:
            found = most if least >= total - SUM else least
            raise YotoError(
                f"Columns {', '.join(space.names[place])} of λ should sum to {total:g}. Found {found:g}. "
                "Divide them by their sum, or allow extrapolation (extrapolate=True)."
            )
