"""One forward pass as one module, for what wraps modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from yoto.conditioning import bind
from yoto.objective.objective import Objective
from yoto.support.precision import wide

Terms: TypeAlias = Callable[[Any, Any, Tensor], Mapping[str, Tensor]]
"""`terms(net, batch, at)`: loss terms by name, each [B], of a network that is bound at λ."""


class LossStep(nn.Module):
    """From batch and λ to the loss and its terms, as one module for wrappers such as DDP.

    Mixed precision is entered here: a wrapper that did it would round λ and the examples too.

    Args:
        model: A `Conditional`, or a plain network that is trained for one λ.
        terms: Gives the loss terms.
        objective: Makes one number of them.
        mixed: Whether the terms are computed in bfloat16 where autocast allows.
    """

    def __init__(self, model: nn.Module, terms: Terms, objective: Objective, *, mixed: bool = False) -> None:
        super().__init__()
        self.model = model
        self.terms = terms
        self.objective = objective
        self.mixed = mixed

    def forward(self, batch: Any, at: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise, and the terms of the model bound at λ, each [B] and float32 where autocast halved it.

        Args:
            batch: What `terms` takes.
            at: λ [B, D] or [D].
        """
        with torch.autocast(at.device.type, torch.bfloat16, enabled=self.mixed):
            found = self.terms(bind(self.model, at), batch, at)
        terms = {name: wide(term) for name, term in found.items()}
        return self.objective(terms, at), terms
