"""Chebyshev scalarisations, which reach all of a trade-off, its concave part too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from yoto.objective.scalarisation import (
    Ideal,
    Scalarisation,
    WeightedLoss,
    checked_ideal,
    ideal_values,
)
from yoto.support.numbers import check_real

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class Chebyshev(Scalarisation):
    """maxⱼ wⱼ·(Lⱼ - zⱼ), with the lowest values z that the terms can have.

    It is taken per sample. With `Objective(…, per_batch=True)` the terms are averaged over the batch first, so that
    it is the Chebyshev loss of the means, with one λ per batch.

    Args:
        ideal: z, in the terms' units: one number, or by name (others 0).

    Source: Bowman, "On the Relationship of the Tchebycheff Norm and the Efficient Frontier of Multiple-Criteria
    Objectives", 1976.

    >>> import torch
    >>> losses, weights = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 0.5]])
    >>> Chebyshev().over(("a", "b"))(losses, weights).tolist()
    [2.0]
    >>> Chebyshev(ideal={"a": 0.5}).over(("a", "b"))(losses, weights).tolist()
    [1.5]
    """

    ideal: Ideal = 0.0
    kind: ClassVar[str] = "chebyshev"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ideal", checked_ideal(self.ideal))

    def over(self, names: Sequence[str]) -> WeightedLoss:
        lowest = ideal_values(self.ideal, names)

        def largest(losses: Tensor, weights: Tensor) -> Tensor:
            return (weights * (losses - losses.new_tensor(lowest))).amax(dim=1)

        return largest


@final
@dataclass(frozen=True)
class SmoothChebyshev(Scalarisation):
    """μ·log Σⱼ exp(wⱼ·(Lⱼ - zⱼ)/μ): as `Chebyshev`, with a gradient for every term.

    Args:
        smoothing: μ above 0, in the unit of the weighted terms; towards 0 it is `Chebyshev`. It exceeds that by at
            most μ·log m for m terms. The source takes 0.1 for terms of about 1.
        ideal: z, in the terms' units: one number, or by name (others 0).

    Source: Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024.

    >>> import torch
    >>> losses, weights = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 0.5]])
    >>> round(SmoothChebyshev(smoothing=0.5).over(("a", "b"))(losses, weights).item(), 4)
    2.1566
    """

    smoothing: float = 0.1
    ideal: Ideal = 0.0
    kind: ClassVar[str] = "smooth-chebyshev"

    def __post_init__(self) -> None:
        check_real("smoothing", self.smoothing, above=0)
        object.__setattr__(self, "smoothing", float(self.smoothing))
        object.__setattr__(self, "ideal", checked_ideal(self.ideal))

    def over(self, names: Sequence[str]) -> WeightedLoss:
        lowest = ideal_values(self.ideal, names)

        def soft_largest(losses: Tensor, weights: Tensor) -> Tensor:
            shifted = weights * (losses - losses.new_tensor(lowest))
            return self.smoothing * (shifted / self.smoothing).logsumexp(dim=1)

        return soft_largest
