"""From named loss terms, one number per sample, to the scalar that training minimises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from yoto.errors import YotoError
from yoto.objective.scalarisation import (
    Parameterised,
    ParameterisedLoss,
    Scalarisation,
    Weighted,
    WeightedLoss,
    WeightedSum,
)
from yoto.space import LossSpace

Balance: TypeAlias = "float | Literal['geometric'] | None"

SMALLEST_RATIO = 1e-3
"""Weights below this share of their median are balanced like it: a weight may be 0."""


class Objective:
    """The loss at λ, balanced over λ so that no end of the range drowns the other.

    Args:
        space: The loss space.
        balance: What a sample's loss is divided by in training. A number p: Π (wⱼ / medianⱼ)^p over the free
            weights; 0.25 suits ranges of a few hundred. "geometric": the geometric mean of all weights (the paper's
            `normalize_loss_weights`). None: nothing. It moves effort between values of λ, not the minimiser at one.
        scalarisation: `(losses [B, m], weights [B, m]) -> loss [B]` in place of the weighted sum.
        loss: `(terms, parameters) -> loss [B]` in place of both, for losses with other parameters than weights;
            `parameters` maps every column of λ to a tensor [B].
        per_batch: Allow terms that are reduced over the batch (shape ()); λ is then one for the whole batch.

    Raises:
        YotoError: If `scalarisation` and `loss` are both given, or `balance` is not one of the above.

    >>> from yoto import LogUniform
    >>> objective = Objective(LossSpace(fit=1.0, kl=LogUniform(0.0625, 16.0)))
    >>> terms = {"fit": torch.tensor([3.0, 3.0]), "kl": torch.tensor([2.0, 2.0])}
    >>> lam = torch.tensor([[1.0, 0.0625], [1.0, 16.0]])
    >>> objective.loss(terms, lam).tolist(), objective.divisor(lam).tolist()
    ([3.125, 35.0], [0.5, 2.0])
    >>> float(objective(terms, lam))
    11.875
    """

    def __init__(
        self,
        space: LossSpace,
        *,
        balance: Balance = 0.25,
        scalarisation: WeightedLoss | None = None,
        loss: ParameterisedLoss | None = None,
        per_batch: bool = False,
    ) -> None:
        if scalarisation is not None and loss is not None:
            raise YotoError("`scalarisation` and `loss` should not both be given: `loss` stands for the whole.")
        if not (balance is None or balance == "geometric" or isinstance(balance, (int, float))):
            raise YotoError(f"`balance` should be a number, 'geometric' or None. Found {balance!r}.")
        if balance == "geometric" and not space.positive:
            raise YotoError("`balance` should be geometric only for weights above 0. Found a range that contains 0.")
        self.space = space
        self.balance = balance
        self.scalarisation: Scalarisation = WeightedSum(space)
        if loss is not None:
            self.scalarisation = Parameterised(space, loss)
        elif scalarisation is not None:
            self.scalarisation = Weighted(space, scalarisation)
        self.per_batch = per_batch
        self.median = {n: float(v) for n, v in zip(space.names, space.median().tolist(), strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """What a bundle says of it, JSON-able: the scalarisation by name, `balance` and `per_batch`."""
        return {"scalarisation": self.scalarisation.name, "balance": self.balance, "per_batch": self.per_batch}

    def per_sample(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms checked to be [B]; with `per_batch` also (), which become [1]."""
        result = {}
        for name, term in terms.items():
            if term.ndim == 0:
                if not self.per_batch:
                    raise YotoError(
                        f"Loss term {name!r} should hold one number per sample, shape [B]. "
                        "Found a reduced one, shape (). "
                        "Reduce over everything but the batch dimension, or set per_batch=True with one λ per batch."
                    )
                term = term[None]
            elif self.per_batch and term.ndim == 1:
                term = term.mean(dim=0, keepdim=True)
            result[name] = term
        return result

    def loss(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        """The loss per sample [B] (with `per_batch`: [1]) at λ [B, D] or [D], unbalanced."""
        checked = self.per_sample(terms)
        if self.per_batch and lam.ndim == 2:
            if len(lam) > 1 and not bool((lam == lam[0]).all()):
                raise YotoError("λ should be one for the whole batch with per_batch=True. Found different rows.")
            lam = lam[:1]
        return self.scalarisation(checked, lam)

    def divisor(self, lam: Tensor) -> Tensor:
        """What balancing divides a sample's loss by: [B] or () for λ [B, D] or [D]."""
        if self.balance == "geometric":
            return self.space.weights_of(lam).log().mean(dim=-1).exp()
        logs = torch.zeros_like(lam[..., 0])
        if self.balance:
            for name in self.space.free_weights:
                ratio = lam[..., self.space.index(name)] / self.median[name]
                logs = logs + ratio.clamp_min(SMALLEST_RATIO).log()
        return (logs * float(self.balance or 0)).exp()

    def __call__(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        """The scalar to minimise: mean over the batch of the balanced loss."""
        loss = self.loss(terms, lam)
        return (loss / self.divisor(lam[:1] if self.per_batch and lam.ndim == 2 else lam)).mean()
