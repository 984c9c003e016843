"""The loss of two networks at one λ over the same samples, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from yoto.curves.evaluation import Evaluation, Evaluator
from yoto.errors import YotoError
from yoto.objective.terms import terms_function

if TYPE_CHECKING:
    from torch import nn

    from yoto.objective import Objective
    from yoto.objective.terms import TermsLike


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What two networks reach at one λ.

    Attributes:
        before, after: Of the first and the second network.
        error: Standard error of the difference of their losses over the samples, which is smaller than those of the
            losses where both find the same samples hard; None where terms came reduced over batches, or of one sample.
    """

    before: Evaluation
    after: Evaluation
    error: float | None

    @property
    def gain(self) -> float:
        """By how much the second loss is lower."""
        return self.before.loss - self.after.loss


def paired(
    before: nn.Module,
    after: nn.Module,
    lam: Tensor,
    batches: Any,
    terms: TermsLike,
    objective: Objective,
    *,
    batch: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Paired:
    """Measure two networks at λ [D] over the same batches with the same random numbers; arguments as of `sweep`.

    Args:
        before: Conditional or plain.
        after: Plain.

    Raises:
        YotoError: As of `sweep`.
    """
    function = terms_function(terms)
    losses: list[list[Tensor]] = []

    def kept(net: Any, examples: Any, at: Tensor) -> Mapping[str, Tensor]:
        found = function(net, examples, at)
        losses[-1].append(objective.loss(found, lam.to(at)).double().cpu())
        return found

    evaluations = []
    for network in (before, after):
        losses.append([])
        evaluator = Evaluator(
            network, batches, kept, {}, objective, space=objective.space, batch=batch, limit=limit, seed=seed
        )
        evaluations += evaluator(lam[None])
    if evaluations[0].n != evaluations[1].n:
        raise YotoError(
            "`validation` should give the same samples in every pass, so that two networks can be compared. "
            f"Found {evaluations[0].n} and {evaluations[1].n}: a loader that ends early."
        )
    first, second = (torch.cat(parts) for parts in losses)
    whole = len(first) == len(second) == evaluations[0].n > 1
    error = float((first - second).std() / len(first) ** 0.5) if whole else None
    return Paired(before=evaluations[0], after=evaluations[1], error=error)
