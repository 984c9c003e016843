"""From named loss terms, one number per sample, to the scalar that training minimises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from yoto.errors import YotoError
from yoto.objective.kinds import KINDS, scalarisation_from
from yoto.objective.scalarisation import ParameterisedLoss, Scalarisation, WeightedLoss, WeightedSum
from yoto.space import LossSpace
from yoto.space.checking import check_lam
from yoto.space.terms import check_terms
from yoto.support.numbers import is_number

Balance: TypeAlias = "float | Literal['geometric'] | None"
Reduction: TypeAlias = Literal["mean", "sum", "none"]
REDUCTIONS = ("mean", "sum", "none")

SMALLEST_RATIO = 1e-3
"""Weights below this share of their median are balanced like it: a weight may be 0."""


class Objective(nn.Module):
    """The loss at λ, balanced over λ so that no end of the range drowns the other.

    It balances by default: calling it gives another number than the plain mean of the weighted sum, which
    `balance=None` gives; `loss` is the unbalanced loss of each sample.

    Args:
        space: The loss space.
        balance: What a sample's loss is divided by in training. A number p: Π (wⱼ / medianⱼ)^p over the free
            weights; 0.25 suits ranges of a few hundred. "geometric": the geometric mean of all weights (the paper's
            `normalize_loss_weights`). None: nothing. It moves effort between values of λ, not the minimiser at one.
        scalarisation: In place of the weighted sum: a name ("chebyshev", "smooth-chebyshev", "cosine-penalised") or
            an object of those classes of `yoto.objective`, or any `(losses [B, m], weights [B, m]) -> loss [B]`.
        loss: `(terms, parameters) -> loss [B]` in place of both, for losses with other parameters than weights;
            `parameters` maps every column of λ to a tensor [B].
        per_batch: Allow terms that are reduced over the batch (shape ()); λ is then one for the whole batch.
        reduction: "mean" over the batch, "sum", or "none": the balanced loss of each sample, [B].

    Raises:
        YotoError: If `scalarisation` and `loss` are both given, or an argument is none of the above.

    >>> from yoto import LogUniform
    >>> objective = Objective(LossSpace(fit=1.0, kl=LogUniform(0.0625, 16.0)))
    >>> terms = {"fit": torch.tensor([3.0, 3.0]), "kl": torch.tensor([2.0, 2.0])}
    >>> lam = torch.tensor([[1.0, 0.0625], [1.0, 16.0]])
    >>> objective.loss(terms, lam).tolist(), objective.divisor(lam).tolist()
    ([3.125, 35.0], [0.5, 2.0])
    >>> float(objective(terms, lam)), float(objective.loss(terms, lam).mean())
    (11.875, 19.0625)
    """

    def __init__(
        self,
        space: LossSpace,
        *,
        balance: Balance = 0.25,
        scalarisation: str | Scalarisation | WeightedLoss | None = None,
        loss: ParameterisedLoss | None = None,
        per_batch: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        if not isinstance(space, LossSpace):
            raise YotoError(f"`space` should be a LossSpace. Found {type(space).__name__}.")
        if scalarisation is not None and loss is not None:
            raise YotoError("`scalarisation` and `loss` should not both be given: `loss` stands for the whole.")
        if not (balance is None or (balance == "geometric" if isinstance(balance, str) else is_number(balance))):
            raise YotoError(f"`balance` should be a number, 'geometric' or None. Found {balance!r}.")
        if balance == "geometric" and not space.positive:
            raise YotoError("`balance` should be geometric only for weights above 0. Found a range that contains 0.")
        if reduction not in REDUCTIONS:
            raise YotoError(f"`reduction` should be one of {', '.join(REDUCTIONS)}. Found {reduction!r}.")
        self.balance: Balance = balance if balance is None or isinstance(balance, (str, int)) else float(balance)
        self.space, self.per_batch, self.reduction = space, per_batch, reduction
        self.parameterised = loss
        if isinstance(scalarisation, str):
            scalarisation = scalarisation_from(scalarisation)
        if isinstance(scalarisation, type):
            name = scalarisation.__name__
            raise YotoError(f"`scalarisation` should be an object. Found the class {name}. Usually: {name}().")
        if scalarisation is not None and not callable(scalarisation) and not isinstance(scalarisation, Scalarisation):
            raise YotoError(f"`scalarisation` should be a name or a function. Found {type(scalarisation).__name__}.")
        self.scalarisation = scalarisation if scalarisation is not None else WeightedSum()
        self.weighted: WeightedLoss = (
            self.scalarisation.over(space.weights)
            if isinstance(self.scalarisation, Scalarisation)
            else self.scalarisation
        )
        self.median = {n: float(v) for n, v in zip(space.names, space.median().tolist(), strict=True)}

    def __getstate__(self) -> dict[str, Any]:
        """Without the function that `scalarisation` made, which no pickle holds and `__setstate__` makes anew."""
        made = isinstance(self.scalarisation, Scalarisation)
        return {name: value for name, value in self.__dict__.items() if not (made and name == "weighted")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if isinstance(self.scalarisation, Scalarisation):
            self.weighted = self.scalarisation.over(self.space.weights)

    @property
    def name(self) -> str:
        """What records call the way from terms to a loss."""
        if self.parameterised is None and isinstance(self.scalarisation, Scalarisation):
            return self.scalarisation.kind
        function = self.parameterised or self.scalarisation
        return getattr(function, "__name__", type(function).__name__)

    def extra_repr(self) -> str:
        said = self.name if self.parameterised or callable(self.scalarisation) else repr(self.scalarisation)
        more = ", per_batch=True" if self.per_batch else ""
        more += f", reduction={self.reduction!r}" if self.reduction != "mean" else ""
        return f"{said}, {self.space!r}, balance={self.balance!r}{more}"

    def to_dict(self) -> dict[str, Any]:
        """What a bundle says of it, JSON-able: the scalarisation by name with its settings, `balance`, `per_batch`."""
        said = {"scalarisation": self.name, "balance": self.balance, "per_batch": self.per_batch}
        if self.parameterised is None and isinstance(self.scalarisation, Scalarisation):
            settings = self.scalarisation.settings()
            return {**said, **({"settings": settings} if settings else {})}
        return said

    @classmethod
    def from_dict(cls, space: LossSpace, said: Mapping[str, Any]) -> Objective:
        """The objective that `to_dict` described.

        Raises:
            YotoError: If its loss was a function of the user's own, which no file holds.
        """
        kind = said.get("scalarisation", WeightedSum.kind)
        if kind not in KINDS:
            raise YotoError(
                f"The loss {kind!r} should be one of {', '.join(KINDS)} to be read from a file. It is a function of "
                "its author's. Give the objective that holds it (objective=)."
            )
        return cls(
            space,
            balance=said.get("balance", 0.25),
            scalarisation=scalarisation_from(kind, said.get("settings")),
            per_batch=bool(said.get("per_batch")),
        )

    def per_sample(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms checked to be [B]; with `per_batch` also (), which become [1]."""
        result = {}
        for name, term in check_terms(terms).items():
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
        """The loss per sample [B] (with `per_batch`: [1]) at λ [B, D] or [D], unbalanced.

        Raises:
            YotoError: If terms or λ have other names, types or shapes.
        """
        check_lam(lam, self.space.names)
        checked = self.per_sample(terms)
        if self.per_batch and lam.ndim == 2:
            if len(lam) > 1 and not bool((lam == lam[0]).all()):
                raise YotoError("λ should be one for the whole batch with per_batch=True. Found different rows.")
            lam = lam[:1]
        if self.parameterised is not None:
            size = len(next(iter(checked.values()), lam))
            check_rows(lam, size)
            rows = lam.expand(size, -1) if lam.ndim == 1 else lam
            found = self.parameterised(checked, {name: rows[:, i] for i, name in enumerate(self.space.names)})
            return check_loss(found, size)
        losses = self.space.stack(checked)
        check_rows(lam, len(losses))
        return check_loss(self.weighted(losses, self.space.weights_of(lam).expand_as(losses)), len(losses))

    def divisor(self, lam: Tensor) -> Tensor:
        """What balancing divides a sample's loss by: [B] or () for λ [B, D] or [D]."""
        check_lam(lam, self.space.names, any_rank=True)
        if self.balance == "geometric":
            return self.space.weights_of(lam).log().mean(dim=-1).exp()
        logs = torch.zeros_like(lam[..., 0])
        if self.balance:
            for name in self.space.free_weights:
                ratio = lam[..., self.space.index(name)] / self.median[name]
                logs = logs + ratio.clamp_min(SMALLEST_RATIO).log()
        return (logs * float(self.balance or 0)).exp()

    def forward(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        """The scalar to minimise: mean over the batch of the balanced loss (or as `reduction` says)."""
        loss = self.loss(terms, lam)
        balanced = loss / self.divisor(lam[:1] if self.per_batch and lam.ndim == 2 else lam)
        if self.reduction == "none":
            return balanced
        return balanced.mean() if self.reduction == "mean" else balanced.sum()


def check_rows(lam: Tensor, size: int) -> None:
    """Refuse λ [B, D] of another number of samples.

    Raises:
        YotoError: If B is not `size`.
    """
    if lam.ndim == 2 and len(lam) != size:
        raise YotoError(f"λ should have a row for each of the {size} samples. Found {len(lam)} rows.")


def check_loss(loss: Any, size: int) -> Tensor:
    """A loss of the user's own, if it is one number for each of `size` samples.

    Raises:
        YotoError: If it is not.
    """
    if not isinstance(loss, Tensor) or loss.shape != (size,):
        found = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise YotoError(f"A custom loss should return one number per sample, shape [B], here [{size}]. Found {found}.")
    return loss
