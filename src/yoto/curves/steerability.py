"""`steerability`: whether λ steers a network, by running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yoto.curves.steering import FEWEST, Steerability
from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yoto.bundle import Bundle
    from yoto.objective import Objective
    from yoto.objective.terms import TermsLike
    from yoto.space import Value

GRID = 9
"""Points along each free parameter, where none are given."""


def steerability(
    model: nn.Module | Bundle,
    batches: Any,
    terms: TermsLike,
    *,
    objective: Objective | None = None,
    points: Tensor | Sequence[Mapping[str, Value]] | None = None,
    batch: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Steerability:
    """Whether λ steers the network: its terms fall as their weights rise, and at each λ its own network is the best.

    "Decorative" conditioning, whose λ has no effect or a wrong one, comes of values that never reach the layers, of λ
    that the loss did not see, or of a term without gradient.

    Args:
        model, batches, terms, objective: As of `sweep`.
        points: λ to measure at, as of `sweep`; None: 9 along each free parameter, the others at their median.
        batch, limit, seed: As of `sweep`.

    Raises:
        YotoError: If the model is not conditional, there are fewer than 5 points, or as `sweep`.

    >>> import torch
    >>> from yoto import LogUniform, LossSpace, condition
    >>> model = condition(torch.nn.Linear(2, 3), LossSpace(fit=1.0, size=LogUniform(0.25, 4.0)))
    >>> def terms(net, batch):
    ...     return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    >>> found = steerability(model, torch.rand(64, 2), terms)
    >>> found.points, list(found.correlation), sorted(found.share)
    (9, ['size'], ['fit', 'size'])
    """
    from yoto.conditioning.wrappers import conditional
    from yoto.curves.evaluation import check_kinds
    from yoto.curves.sweep import opened, points_of, sweep

    network, _, _ = opened(model, objective)
    check_kinds(network, objective)
    network = conditional(network, "measure")
    given = None if points is None else points_of(points, network.space)
    if given is not None and len(given) < FEWEST:
        raise YotoError(f"`points` should be at least {FEWEST}, to tell what follows λ. Found {len(given)}.")
    settings: dict[str, Any] = {"objective": objective, "batch": batch, "limit": limit, "seed": seed, "metrics": {}}
    lams = network.space.grid(GRID) if given is None else given
    return sweep(model, batches, terms, lams, **settings).steering()
