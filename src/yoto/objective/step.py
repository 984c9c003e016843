"""One forward pass as one module, for what wraps modules."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from yoto.conditioning import Conditional, bind
from yoto.conditioning.wrappers import unwrapped
from yoto.errors import YotoError
from yoto.objective.objective import Objective
from yoto.objective.terms import TermsLike, terms_function
from yoto.space.checking import check_lam
from yoto.support.precision import wide


class LossStep(nn.Module):
    """From batch and λ to the loss and its terms, as one module: what DDP, FSDP2, `torch.compile` and trainers wrap.

    A wrapper acts on what its own `forward` calls. Here that is all of a step: binding at λ, whatever methods of the
    network the terms call, and the loss. `model.at(lam)` outside of it would leave each rank its own gradients.
    Mixed precision may be entered here too: a wrapper that casts inputs (that of FSDP2, say) would round λ and the
    examples.

    Args:
        model: A `Conditional`, or a plain network that is trained for one λ.
        terms: Gives the loss terms by name, each [B]: `terms(net, batch)`, `terms(net, batch, at)`, or an object with
            such a method (a `Task`). `net` is the network bound at λ. A module becomes a part of this one, so that its
            parameters (of a feature network, say) are moved and wrapped too.
        objective: Makes one number of them.
        mixed: Whether the terms are computed in bfloat16 where autocast allows. An `autocast` around the step, as
            trainers enter it, holds without this.

    Raises:
        YotoError: If one of them is something else, or they are of loss spaces with different columns.

    >>> from yoto import LogUniform, LossSpace, condition
    >>> space = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
    >>> model = condition(nn.Linear(2, 3), space)
    >>> def terms(net, batch):
    ...     y = net(batch)
    ...     return {"fit": (y - 1).square().mean(1), "size": y.square().mean(1)}
    >>> step = LossStep(model, terms, Objective(space))
    >>> loss, found = step(torch.rand(8, 2), space.sample(8))
    >>> loss.ndim, loss.requires_grad, found["fit"].shape, found["fit"].requires_grad
    (0, True, torch.Size([8]), False)
    """

    def __init__(self, model: nn.Module, terms: TermsLike, objective: Objective, *, mixed: bool = False) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise YotoError(f"`model` should be a network, conditional or plain. Found {type(model).__name__}.")
        if not isinstance(objective, Objective):
            raise YotoError(f"`objective` should be a yoto.Objective. Found {type(objective).__name__}.")
        check_model(model, objective)
        self.model = model
        self.terms = terms_function(terms)
        self.features = terms if isinstance(terms, nn.Module) else None
        self.objective = objective
        self.mixed = mixed

    def forward(self, batch: Any, lam: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise, and the terms, detached, each [B] and float32 where autocast halved it.

        Args:
            batch: What `terms` takes.
            lam: λ [B, D] or [D].

        Raises:
            YotoError: If λ or what `terms` gives has another type, shape or names.
        """
        check_lam(lam, self.objective.space.names)
        with torch.autocast(lam.device.type, torch.bfloat16) if self.mixed else nullcontext():
            found = self.terms(bind(self.model, lam), batch, lam)
        terms = {name: wide(term) for name, term in found.items()}
        return self.objective(terms, lam), {name: term.detach() for name, term in terms.items()}


def check_model(model: nn.Module, objective: Objective) -> None:
    """Refuse a network that is told another λ than the loss is weighed with: one of other columns, or a wrapped one,
    which would be called without any.
    """
    inner = unwrapped(model)
    if isinstance(inner, Conditional) and inner is not model:
        raise YotoError(
            "`model` should be the conditional network itself, whose step is wrapped then, as in "
            f"torch.compile(LossStep(…)). Found it inside {type(model).__name__}."
        )
    if isinstance(inner, Conditional):
        check_space(objective, inner)


def check_space(objective: Objective, model: Conditional[Any]) -> None:
    """Refuse an objective whose λ has other columns than the model's."""
    if objective.space.names != model.space.names:
        raise YotoError(
            f"`objective` should be of the model's loss space, columns {', '.join(model.space.names)}. "
            f"Found {', '.join(objective.space.names)}."
        )
