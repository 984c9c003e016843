"""Learning rates as a plain function of the step."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch.optim.lr_scheduler import LambdaLR

from yoto.errors import YotoError
from yoto.support.numbers import is_number

WARMUP = 100
"""Steps of warm-up, at most a tenth of a run."""


def usual_warmup(steps: int) -> int:
    """Steps of warm-up of a run of `steps`."""
    return min(WARMUP, steps // 10)


def warmed(step: int, warmup: int) -> float:
    """Rises linearly from 1/warmup to 1 over the first `warmup` steps, and stays."""
    return min(1.0, (step + 1) / warmup) if step < warmup else 1.0


def half_cosine(step: int, steps: int, warmup: int, final: float) -> float:
    """The factor of every learning rate at `step`, from 0 to `steps` - 1: a linear rise over the first `warmup` steps,
    then half a cosine from 1 to `final`, where it stays.
    """
    if step < warmup:
        return warmed(step, warmup)
    position = (step - warmup) / max(1, steps - 1 - warmup)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, position)))


def cosine(optimiser: torch.optim.Optimizer, steps: int, *, warmup: int | None = None, final: float = 0.01) -> LambdaLR:
    """A scheduler of torch for a run of `steps` optimiser steps: call its `step()` after each of them.

    Args:
        optimiser: Any optimiser of torch.
        steps: Length of the run.
        warmup: Steps of a linear rise from near 0; by default 100, or a tenth of the run if that is less.
        final: What is left of the learning rate at the end, in [0, 1].

    Raises:
        YotoError: If one is out of its range.

    >>> weight = torch.nn.Parameter(torch.zeros(3))
    >>> scheduler = cosine(torch.optim.SGD([weight], lr=0.5), 1000)
    >>> scheduler.get_last_lr()
    [0.005]
    """
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise YotoError(
            f"`optimiser` should be one of torch.optim, or yoto.optimiser's. Found {type(optimiser).__name__}."
        )
    numbers = is_number(steps) and (warmup is None or is_number(warmup)) and is_number(final)
    if not numbers or steps < 1 or (warmup or 0) < 0 or not 0 <= final <= 1:
        raise YotoError(
            "`steps` should be at least 1, `warmup` at least 0 and `final` in [0, 1]. "
            f"Found {steps!r}, {warmup!r} and {final!r}."
        )
    warmup = usual_warmup(steps) if warmup is None else warmup
    return LambdaLR(optimiser, partial(half_cosine, steps=steps, warmup=warmup, final=final))
