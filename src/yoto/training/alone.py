"""Ordinary training of a plain network at one λ, for so many steps of any optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from yoto.errors import YotoError
from yoto.objective import LossStep, Objective
from yoto.objective.terms import TermsLike
from yoto.optim import Clipper
from yoto.optim.schedules import cosine

LOOK = 50
"""Steps after which the loss is looked at, so that no step waits for it."""

Draw = Callable[[int, int], Any]
"""The batch of step `n` (from 0) and, where a step's batch comes in parts, of part `m`."""
Watch = Callable[[int, "float | None"], None]
"""Called after each step with the number of steps done, and the mean loss since the last look where one was taken."""


def train_alone(
    net: nn.Module,
    terms: TermsLike,
    objective: Objective,
    lam: Tensor,
    draw: Draw,
    optimiser: torch.optim.Optimizer,
    steps: int,
    *,
    parts: int = 1,
    clipper: Clipper | None = None,
    mixed: bool = False,
    watch: Watch | None = None,
) -> None:
    """Train a plain network in place at λ [D], in training mode, and leave it in evaluation mode.

    Learning rates rise for a tenth of the steps (100 at most), then fall to a hundredth along half a cosine.

    Args:
        net: The network.
        terms, objective: As of `LossStep`; balancing only divides the loss by a constant at one λ.
        draw: Gives the batches, on the network's device.
        optimiser: Of the network's parameters.
        steps: Optimiser steps.
        parts: So many batches make a step.
        clipper: Of the gradients; relative to their running norm by default.
        mixed: Whether terms are computed in bfloat16.
        watch: Sees the progress.

    Raises:
        YotoError: If the loss is not finite, has no gradient or none in the network, or terms are not as the objective
            needs them.
    """
    step_module = LossStep(net.train(), terms, objective, mixed=mixed)
    clipper = clipper or Clipper()
    schedule = cosine(optimiser, steps)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    window: list[Tensor] = []
    for step in range(steps):
        optimiser.zero_grad()
        for part in range(parts):
            loss, _ = step_module(draw(step, part), lam)
            check_gradient(loss)
            (loss / parts).backward()
            window.append(loss.detach())
        if step == 0:
            check_trained(net)
        clipper(parameters)
        optimiser.step()
        schedule.step()
        look = (step + 1) % LOOK == 0 or step + 1 == steps
        mean = looked_at(window, step + 1, parts) if look else None
        if watch is not None:
            watch(step + 1, mean)
    optimiser.zero_grad()
    net.eval()


def check_gradient(loss: Tensor) -> None:
    """Refuse a loss that no parameter has a part in: torch's own error names neither terms nor network."""
    if not loss.requires_grad:
        raise YotoError("The loss should depend on the network's parameters. Found terms without a gradient.")


def check_trained(net: nn.Module) -> None:
    """Refuse a network that the first step left without any gradient: it would stay as it is, without a word."""
    if all(parameter.grad is None for parameter in net.parameters()):
        raise YotoError(
            "The loss should depend on the network that the terms are given. Found no gradient in any of its "
            "parameters. Usually: terms() calls a network that it keeps in place of `net`."
        )


def looked_at(window: list[Tensor], last: int, parts: int) -> float:
    """The mean of the losses of the steps up to `last`; the window starts anew.

    Raises:
        YotoError: If one is not finite, with its step.
    """
    losses: list[float] = torch.stack(window).double().tolist()
    bad = next((place for place, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if bad is not None:
        step = last - (len(losses) - 1 - bad) // parts
        raise YotoError(
            f"The loss should stay finite. Found {losses[bad]} at step {step} at this λ. Usually: too high a learning "
            "rate; give a lower one."
        )
    window.clear()
    return sum(losses) / len(losses)
