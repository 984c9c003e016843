"""The weighted sum with a penalty that keeps the losses in the direction that the weights ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from yoto.objective.scalarisation import Scalarisation, WeightedLoss
from yoto.support.numbers import check_real

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class CosinePenalised(Scalarisation):
    """Σⱼ wⱼ·Lⱼ - γ·cos(w, L): the sum, and a reward for losses that point where the weights do.

    A larger weight then asks for a larger share of that loss in the angle's part and for a smaller one in the sum's:
    γ settles between the two. Losses should be positive and of comparable size.

    Args:
        penalty: γ, at least 0; 0 is the weighted sum. The source took 0.01 to 8, by data set.

    Source: Ruchte & Grabocka, "Scalable Pareto Front Approximation for Deep Multi-Objective Learning" (COSMOS),
    ICDM 2021.

    >>> import torch
    >>> losses, weights = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])
    >>> CosinePenalised(penalty=0.5).over(("a", "b"))(losses, weights).tolist()
    [23.520000457763672]
    """

    penalty: float = 1.0
    kind: ClassVar[str] = "cosine-penalised"
    monotone: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_real("penalty", self.penalty, least=0)
        object.__setattr__(self, "penalty", float(self.penalty))

    def over(self, names: Sequence[str]) -> WeightedLoss:
        def penalised(losses: Tensor, weights: Tensor) -> Tensor:
            from torch.nn.functional import cosine_similarity

            return (losses * weights).sum(dim=1) - self.penalty * cosine_similarity(weights, losses, dim=1)

        return penalised
