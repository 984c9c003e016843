"""Learning-rate factors and the moving distribution of λ, as plain functions of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal


def learning_rate_factor(
    step: int,
    steps: int,
    *,
    schedule: Literal["cosine", "steps", "constant"] = "cosine",
    warmup: int = 0,
    final: float = 0.01,
    milestones: Sequence[int] = (),
    decay: float = 0.5,
) -> float:
    """The factor in (0, 1] by which every learning rate is multiplied at step `step`.

    Args:
        step: From 0 to `steps` - 1.
        steps: Length of the run.
        schedule: "cosine" falls from 1 to `final` along half a cosine after the warm-up; "steps" multiplies by
            `decay` at each of `milestones` (Dosovitskiy and Djolonga 2020 halve at four of them); "constant" is 1.
        warmup: Steps over which the factor first rises linearly from 1/warmup to 1.
        final: Cosine's last value, usually 0 to 0.1.
        milestones: Steps from which on the next decay holds.
        decay: Factor per milestone.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "cosine":
        position = (step - warmup) / max(1, steps - 1 - warmup)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, position)))
    if schedule == "steps":
        return float(decay ** sum(step >= milestone for milestone in milestones))
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
