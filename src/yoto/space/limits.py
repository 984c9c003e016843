"""Whether λ lies in the range of a loss space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.space.space import LossSpace


def refuse_outside(space: LossSpace, lam: Tensor) -> None:
    """Refuse λ [..., D] with a free column outside its range, but for float32's rounding.

    What has no values to look at (under `torch.func.vmap`, on the meta device) passes.

    Raises:
        YotoError: Naming the column and its range.
    """
    if not lam.numel():
        return  # of no sample
    columns = lam.detach().reshape(-1, lam.shape[-1])
    try:
        lowest, highest = columns.amin(0).tolist(), columns.amax(0).tolist()
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
