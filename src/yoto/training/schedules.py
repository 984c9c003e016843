"""Learning-rate factors and the moving distribution of λ, as plain functions of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def knots_at(step: int, steps: int, knots: Sequence[float]) -> float:
    """The value at step `step` of a schedule through knots, spread evenly over the run, with straight lines between.

    Args:
        step: From 0 to `steps` - 1.
        steps: Length of the run.
        knots: At least two values.
    """
    position = step / max(1, steps - 1) * (len(knots) - 1)
    left = min(int(position), len(knots) - 2)
    return knots[left] + (knots[left + 1] - knots[left]) * (position - left)
