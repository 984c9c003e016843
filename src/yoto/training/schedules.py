"""Learning rates as a plain function of the step."""

from __future__ import annotations

import math

from yoto.recipe import Training


def learning_rate_factor(step: int, settings: Training) -> float:
    """The factor in (0, 1] by which every learning rate is multiplied at step `step`, from 0 to `settings.steps` - 1.

    Over the first `warmup` steps it rises linearly from 1/warmup to 1. The schedule "cosine" then falls to `final`
    along half a cosine; "steps" multiplies by `decay` at each of `milestones` (Dosovitskiy and Djolonga 2020 halve at
    four of them); "constant" stays at 1.
    """
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if settings.schedule == "cosine":
        position = (step - settings.warmup) / max(1, settings.steps - 1 - settings.warmup)
        return settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, position)))
    if settings.schedule == "steps":
        return float(settings.decay ** sum(step >= milestone for milestone in settings.milestones))
    return 1.0
