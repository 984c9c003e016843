"""How λ is drawn: uniform numbers of one of several kinds, and what each distribution makes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from yoto.errors import YotoError, near_misses
from yoto.space.distribution import Distribution
from yoto.space.interval import Interval
from yoto.support.numbers import is_number

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Sampling = Literal["stratified", "iid", "sobol"]
WIDEST = 2.0
"""Largest `spread`."""


def uniform_numbers(n: int, width: int, generator: torch.Generator | None, method: Sampling) -> Tensor:
    """Numbers [n, width] in [0, 1), float64; `method` as of `LossSpace.sample`.

    Raises:
        YotoError: If there is no such method.
    """
    import torch

    if method == "sobol" and width:
        seed = int(torch.randint(2**31 - 1, (), generator=generator, device="cpu"))
        engine = torch.quasirandom.SobolEngine(width, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        return engine.draw(n, dtype=torch.float64)
    if method not in ("iid", "stratified", "sobol"):
        raise YotoError(f"`method` should be 'stratified', 'iid' or 'sobol'. Found {method!r}.")
    uniform = torch.rand(n, width, generator=generator, dtype=torch.float64, device="cpu")
    if method == "stratified":
        order = torch.rand(n, width, generator=generator, dtype=torch.float64, device="cpu").argsort(dim=0)
        uniform = (order + uniform) / n
    return uniform


def drawn(
    parameters: Mapping[str, Distribution], uniform: Tensor, tilt: float | Mapping[str, float], spread: float
) -> Tensor:
    """λ [n, D] (float64) of uniform numbers [n, width]; `tilt` and `spread` as of `LossSpace.sample`."""
    import torch

    parts, start = [], 0
    for name, distribution in parameters.items():
        own = tilt.get(name, 0.0) if isinstance(tilt, Mapping) else tilt
        drivers = uniform[:, start : start + distribution.uniforms]
        if spread != 1:  # else rounding would change what earlier runs drew
            drivers = distribution.narrowed(drivers, spread)
        parts.append(distribution.draw(drivers, own))
        start += distribution.uniforms
    return torch.cat(parts, dim=1)


def check_tilt(tilt: float | Mapping[str, float], parameters: Mapping[str, Distribution]) -> None:
    """Refuse a tilt that is no number, or is of a parameter without a low end."""
    ranges = tuple(name for name, each in parameters.items() if isinstance(each, Interval))
    for name, value in tilt.items() if isinstance(tilt, Mapping) else [("", tilt)]:
        if name and name not in ranges:
            known = f" ({', '.join(ranges)})" if ranges else ""
            raise YotoError(f"`tilt` should name ranges{known}. Found {name!r}.{near_misses(name, ranges)}")
        if not is_number(value):
            raise YotoError(f"`tilt` should be a number, or one by parameter name. Found {value!r}.")


def recommended_spread(progress: float) -> float:
    """The `spread` that `LossSpace.sample(progress=…)` uses: from 1 to 2, along a straight line.

    The ends of a range have neighbours on one side only, and are where one network falls behind separate ones: towards
    the end of training half of the draws are theirs. Measured in results/own_loop.md.
    """
    return 1.0 + progress


def spread_at(spread: float | None, progress: float | None) -> float:
    """The `spread` of a draw, of what `LossSpace.sample` was given.

    Raises:
        YotoError: If one is out of its range.
    """
    if progress is not None and not (is_number(progress) and 0 <= progress <= 1):
        raise YotoError(f"`progress` should lie in [0, 1]: steps done over all steps. Found {progress!r}.")
    if spread is None:
        return 1.0 if progress is None else recommended_spread(progress)
    if not (is_number(spread) and 0 <= spread <= WIDEST):
        raise YotoError(f"`spread` should lie in [0, {WIDEST:g}]. Found {spread!r}.")
    return spread


def knots_at(step: int, steps: int, knots: Sequence[float]) -> float:
    """The value at step `step` of a schedule through knots, spread evenly over the run, with straight lines between.

    Args:
        step: From 0 to `steps` - 1.
        steps: Length of the run.
        knots: At least two values.
    """
    position = step / max(1, steps - 1) * (len(knots) - 1)
    left = min(int(position), len(knots) - 2)
    return knots[left] + (knots[left + 1] - knots[left]) * (position - left)
