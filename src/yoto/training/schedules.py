"""What a recipe says of optimiser and learning rates."""

from __future__ import annotations

from torch import nn

from yoto.optim.optimisers import Optimiser, checked_factors, idle_factors, optimiser
from yoto.optim.schedules import half_cosine, warmed
from yoto.recipe import Training


def make_optimiser(model: nn.Module, settings: Training) -> Optimiser:
    """The optimiser of a plain or conditional model; "adamw" is "adam": weight decay is always decoupled.

    Factors of learning rates that match no parameter are left out: a recipe's options may choose another network.
    A recipe without `conditioning_lr` means the rate of the other parameters that Adam steps, whatever the default of
    `optimiser` is.
    """
    muon = settings.optimiser == "muon"
    factors = checked_factors(settings.lr_factors)
    idle = idle_factors(model, factors)
    rest = settings.adam_lr if muon and settings.adam_lr is not None else settings.lr
    return optimiser(
        model,
        settings.lr,
        algorithm="muon" if muon else "adam",
        adam_lr=settings.adam_lr,
        conditioning_lr=settings.conditioning_lr or rest,
        lr_factors={pattern: factor for pattern, factor in factors.items() if pattern not in idle},
        momentum=settings.momentum,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )


def learning_rate_factor(step: int, settings: Training) -> float:
    """The factor in (0, 1] by which every learning rate is multiplied at step `step`, from 0 to `settings.steps` - 1.

    Over the first `warmup` steps it rises linearly from 1/warmup to 1. The schedule "cosine" then falls to `final`
    along half a cosine; "steps" multiplies by `decay` at each of `milestones` (Dosovitskiy and Djolonga 2020 halve at
    four of them); "constant" stays at 1.
    """
    if settings.schedule == "cosine":
        return half_cosine(step, settings.steps, settings.warmup, settings.final)
    if settings.schedule == "steps" and step >= settings.warmup:
        return float(settings.decay ** sum(step >= milestone for milestone in settings.milestones))
    return warmed(step, settings.warmup)
