"""Polishing by the recipe of a model: its task, data, batch size, augmentation and optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from yoto.build import build_data, build_objective
from yoto.conditioning.wrappers import conditional
from yoto.optim import Clipper
from yoto.optim.schedules import usual_warmup
from yoto.support.numbers import check_whole
from yoto.support.seeds import streams_kept
from yoto.training.alone import train_alone
from yoto.training.batches import Batches
from yoto.training.polishing import one_lam, peak
from yoto.training.schedules import make_optimiser

if TYPE_CHECKING:
    from torch import nn

    from yoto.recipe import Recipe
    from yoto.space import Value
    from yoto.task import BaseTask
    from yoto.training.alone import Watch


def polishing_recipe(
    recipe: Recipe, point: Mapping[str, Value], steps: int, *, lr: float | None = None, seed: int | None = None
) -> Recipe:
    """The recipe of a polishing: that of the model, for one λ, with a schedule of its own over `steps`.

    Args:
        recipe: Of the conditional model.
        point: The free parameters.
        steps: Optimiser steps.
        lr: Peak learning rate; None: the recipe's, less for few steps (`peak`). Its other rates change with it.
        seed: Of order, augmentation and noise; None: the recipe's.

    Raises:
        YotoError: If a value does not fit the recipe's space, or is out of range.
    """
    check_whole("steps", steps)
    training = recipe.training
    rate = peak(training.lr, steps) if lr is None else lr
    adam = training.adam_lr
    changes: dict[str, Any] = {
        "fixed": dict(point),
        "training.steps": steps,
        "training.lr": rate,
        "training.adam_lr": None if adam is None else adam * rate / training.lr,
        "training.schedule": "cosine",
        "training.warmup": usual_warmup(steps),
        "training.final": 0.01,
        "training.tilt": None,
        "training.spread": None,
        "training.ema": None,
        "training.validate_every": 0,
    }
    if seed is not None:
        changes["seed"] = seed
    return recipe.replace(changes)


def polish_by_recipe(model: nn.Module, recipe: Recipe, task: BaseTask, *, watch: Watch | None = None) -> nn.Module:
    """The plain network at the recipe's λ, trained on there by the recipe.

    Args:
        model: A `Conditional`; it stays as it is.
        recipe: What `polishing_recipe` gave.
        task: Its task.
        watch: Sees the progress.

    Returns:
        The network, in evaluation mode, on the model's device.

    Raises:
        YotoError: If the model is not conditional, or the loss is not finite.
    """
    network = conditional(model, "polish")
    assert recipe.fixed is not None
    lam, training = one_lam(network, recipe.fixed), recipe.training
    with streams_kept(lam.device):
        data = build_data(task, "train").to(lam.device)
        source = Batches(data, network.space, training, seed=recipe.seed, at=lam, device=lam.device)
        net: nn.Module = network.bake(lam)
        if training.channels_last:
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        train_alone(
            net,
            task,
            build_objective(recipe),
            lam,
            lambda step, part: source.draw(step, part)[0],
            make_optimiser(net, training),
            training.steps,
            parts=training.accumulate,
            clipper=Clipper(training.clip, factor=training.clip_factor),
            mixed=training.precision == "bf16-mixed",
            watch=watch,
        )
    return net
