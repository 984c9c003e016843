"""From the terms of a sample to its loss: what a scalarisation is, and the weighted sum.

torch is imported where tensors are made, so that recipes can be checked without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

from yoto.errors import YotoError, near_misses
from yoto.support.numbers import number

if TYPE_CHECKING:
    from torch import Tensor

WeightedLoss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""`(losses [B, m], weights [B, m]) -> loss [B]`."""
ParameterisedLoss: TypeAlias = "Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]"
"""`(terms, parameters) -> loss [B]`; `parameters` maps every column of λ to a tensor [B]."""
Ideal: TypeAlias = "float | Mapping[str, float]"
"""The lowest value that each loss term can have: one number for all, or by name (others 0)."""


@dataclass(frozen=True)
class Scalarisation(ABC):
    """One loss per sample out of its terms and their weights. Its fields are its settings, all JSON-able.

    Attributes:
        kind: What recipes and records call it.
        monotone: Whether it is convex and never falls where a term rises, so that lower bounds of the terms' means give
            one of its mean.
    """

    kind: ClassVar[str]
    monotone: ClassVar[bool] = True

    @abstractmethod
    def over(self, names: Sequence[str]) -> WeightedLoss:
        """The function of losses [B, m] and weights [B, m] whose columns are the terms `names`.

        Raises:
            YotoError: If a setting names a term that is not among them.
        """

    def settings(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


@final
@dataclass(frozen=True)
class WeightedSum(Scalarisation):
    """Σⱼ wⱼ·Lⱼ: reaches the convex part of a trade-off.

    >>> import torch
    >>> WeightedSum().over(("a", "b"))(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 0.5]])).tolist()
    [3.5]
    """

    kind: ClassVar[str] = "weighted-sum"

    def over(self, names: Sequence[str]) -> WeightedLoss:
        return lambda losses, weights: (losses * weights).sum(dim=1)


def ideal_values(ideal: Ideal, names: Sequence[str]) -> list[float]:
    """The ideal value of each of the terms `names`.

    Raises:
        YotoError: If `ideal` names another term, or is no number.
    """
    if not isinstance(ideal, Mapping):
        return [float(ideal)] * len(names)
    for name in ideal:
        if name not in names:
            raise YotoError(f"`ideal` should name weighted terms. Found {name!r}.{near_misses(name, tuple(names))}")
    return [float(ideal.get(name, 0.0)) for name in names]


def checked_ideal(ideal: Any) -> Ideal:
    """An `ideal` as Python's numbers, which JSON has.

    Raises:
        YotoError: If it is neither a number nor numbers by name.
    """
    if isinstance(ideal, Mapping):
        return {name: number("ideal", value) for name, value in ideal.items()}
    return number("ideal", ideal)
