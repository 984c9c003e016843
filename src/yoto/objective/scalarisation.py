"""From the terms of a sample to its loss at λ: a class for each way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeAlias, final

from torch import Tensor

from yoto.errors import YotoError
from yoto.space import LossSpace

WeightedLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(losses [B, m], weights [B, m]) -> loss [B]`."""
ParameterisedLoss: TypeAlias = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
"""`(terms, parameters) -> loss [B]`; `parameters` maps every column of λ to a tensor [B]."""


class Scalarisation(ABC):
    """One loss per sample out of its terms.

    Attributes:
        name: What records call it.
    """

    name: str

    def __init__(self, space: LossSpace) -> None:
        self.space = space

    @abstractmethod
    def __call__(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        """The loss [B] of terms [B] at λ [B, D] or [D]."""


@final
class WeightedSum(Scalarisation):
    """Σⱼ λⱼ·Lⱼ."""

    name = "weighted-sum"

    def __call__(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        return self.space.combine(terms, lam)


@final
class Weighted(Scalarisation):
    """Another function of losses and their weights, such as the largest weighted loss (Chebyshev)."""

    def __init__(self, space: LossSpace, function: WeightedLoss) -> None:
        super().__init__(space)
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def __call__(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        losses = self.space.stack(terms)
        return checked_loss(self.function(losses, self.space.weights_of(lam).expand_as(losses)))


@final
class Parameterised(Scalarisation):
    """A loss with other parameters than weights, such as a quantile's level."""

    def __init__(self, space: LossSpace, function: ParameterisedLoss) -> None:
        super().__init__(space)
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def __call__(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        size = next(iter(terms.values())).shape[0]
        rows = lam.expand(size, -1) if lam.ndim == 1 else lam
        return checked_loss(self.function(terms, {name: rows[:, i] for i, name in enumerate(self.space.names)}))


def checked_loss(loss: Tensor) -> Tensor:
    """A loss of the user's own, if it is one number per sample.

    Raises:
        YotoError: If it is not.
    """
    if loss.ndim != 1:
        raise YotoError(
            f"A custom loss should return one number per sample, shape [B]. Found shape {tuple(loss.shape)}."
        )
    return loss
