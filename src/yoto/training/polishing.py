"""`polish`: a conditional network baked at one λ, then trained on at that λ alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from yoto.conditioning import Conditional
from yoto.conditioning.wrappers import conditional
from yoto.curves.batches import unmoved
from yoto.curves.evaluation import check_kinds
from yoto.curves.sweep import opened
from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.objective.step import check_space
from yoto.optim import optimiser as recipes_optimiser
from yoto.support.numbers import check_seed, check_whole
from yoto.support.seeds import derive, seed_all, streams_kept
from yoto.training.alone import train_alone
from yoto.training.endless import endless

if TYPE_CHECKING:
    from yoto.bundle import Bundle
    from yoto.objective.terms import TermsLike
    from yoto.space import Value

STEPS = 800
LR = 0.01
"""Of Muon and, for what is no matrix, of Adam, in a long polishing."""
NO_OPTIMISER = (
    "`optimiser` should be a function that makes a torch optimiser for a network, such as "
    "lambda net: torch.optim.SGD(net.parameters(), 0.1). {}."
)
LONG = 6400
"""Steps from which on a polishing begins with the learning rate of a whole training."""


def peak(lr: float, steps: int) -> float:
    """Peak learning rate of a polishing, where a whole training has `lr`.

    It falls with the root of the steps: few of them cannot make good what a high rate undoes at first. Measured at 100,
    400 and 1,600 steps, `results/polishing/learning-rates.md`.
    """
    return lr * min(1.0, math.sqrt(steps / LONG))


def polish(
    model: nn.Module | Bundle,
    point: Mapping[str, Value] | Tensor,
    batches: Any,
    terms: TermsLike,
    *,
    steps: int = STEPS,
    optimiser: Callable[[nn.Module], torch.optim.Optimizer] | None = None,
    lr: float | None = None,
    objective: Objective | None = None,
    batch: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """The plain network at one λ, trained on at that λ alone: bake, then a short ordinary training.

    A network for every λ is a little behind one that was trained for one λ; a fraction of such a training makes up for
    most of it. Learning rates rise over the first tenth of the steps (100 at most) and fall to a hundredth along half a
    cosine; gradients are clipped relative to their running norm.

    Args:
        model: A `Conditional`, or what `load` gave; it stays as it is.
        point: The free parameters by name, as `SelectedPoint.point` has them, or λ [D].
        batches: Training data: a DataLoader or any iterable of batches, gone over as often as needed (an iterator has
            to last for all steps); a tensor [N, ...] of examples or a `Data`, visited in random order.
        terms: As of `LossStep`: `terms(net, batch)`, `terms(net, batch, at)` or a task. `net` is the plain network, in
            training mode; batch norms go on with their statistics.
        steps: Optimiser steps, at least 1.
        optimiser: Makes the optimiser for the network, such as
            `lambda net: torch.optim.SGD(net.parameters(), 0.1)`; `yoto.optimiser` by default.
        lr: Peak learning rate of the default optimiser; None: 0.01·√(steps / 6400), 0.01 at most. Networks that were
            trained by Adam alone may want a tenth of it.
        objective: Computes the loss; None: a bundle's own, else the weighted sum.
        batch: Examples per step of a tensor or `Data`, 128 if None.
        seed: Of order, augmentation and the global random numbers meanwhile, whose state is as before afterwards, like
            that of a loader's own generator.
        progress: Called after each step with the number done and `steps`.

    Returns:
        The network, of its original class, in evaluation mode.

    Raises:
        YotoError: If an argument is of another kind or out of its range, the model is not conditional, the point leaves
            the space, there are no batches or too few, or the loss is not finite.

    >>> from yoto import LogUniform, LossSpace, condition
    >>> space = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
    >>> model = condition(nn.Linear(2, 3), space)
    >>> def terms(net, batch):
    ...     return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    >>> plain = polish(model, {"size": 4.0}, torch.rand(512, 2), terms, steps=200, lr=0.05)
    >>> loss = space.combine(terms(plain, torch.rand(9, 2)), space.point(size=4.0)).mean()
    >>> round(loss.item(), 1)  # the best is 4 / (1 + 4)
    0.8
    """
    check_whole("steps", steps)
    check_seed(seed)
    if optimiser is not None and not callable(optimiser):
        raise YotoError(NO_OPTIMISER.format(f"Found {type(optimiser).__name__}"))
    if optimiser is not None and lr is not None:
        raise YotoError("`lr` should be left out with an optimiser of your own, which has its own. Found both.")
    network, objective, _ = opened(model, objective)
    network = conditional(network, "polish")
    objective = checked_objective(objective, network)
    lam = one_lam(network, point)
    device = lam.device
    with unmoved(batches), streams_kept(device):
        seed_all(derive(seed, "polish"))
        source = endless(batches, batch=batch, seed=seed, device=device)
        net: nn.Module = network.bake(lam)
        check_trainable(net)
        made = recipes_optimiser(net, peak(LR, steps) if lr is None else lr) if optimiser is None else optimiser(net)
        check_optimiser(made, net)
        train_alone(
            net,
            terms,
            objective,
            lam,
            lambda *_: next(source),
            made,
            steps,
            watch=None if progress is None else lambda done, _: progress(done, steps),
        )
    return net


def check_trainable(net: nn.Module) -> None:
    """Refuse a network that is frozen as a whole, and say how it is freed."""
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise YotoError(
            "A network to polish should have parameters to train. Found all frozen, as condition(…, train='film') "
            "leaves them. Free them before: model.plain.requires_grad_(True)."
        )


def check_optimiser(made: Any, net: nn.Module) -> None:
    """Refuse what is no optimiser, or one of other parameters than the network's, which would train nothing."""
    if not isinstance(made, torch.optim.Optimizer):
        raise YotoError(NO_OPTIMISER.format(f"It gave {type(made).__name__}"))
    closure = signature(made.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise YotoError(NO_OPTIMISER.format(f"It gave {type(made).__name__}, whose step asks for a closure"))
    own = set(map(id, net.parameters()))
    if not any(id(parameter) in own for group in made.param_groups for parameter in group["params"]):
        raise YotoError(NO_OPTIMISER.format("It gave one of other parameters than that network's"))


def checked_objective(objective: Objective | None, network: Conditional[Any]) -> Objective:
    """What makes a loss of the terms: what was given, if it is of the same space, else the weighted sum."""
    if objective is None:
        return Objective(network.space)
    check_kinds(network, objective)
    check_space(objective, network)
    return objective


def one_lam(network: Conditional[Any], point: Any) -> Tensor:
    """λ [D] of a point, on the network's device, within its space."""
    if not isinstance(point, (Mapping, Tensor)):
        raise YotoError(f"`point` should be the free parameters by name, or λ [D]. Found {type(point).__name__}.")
    lam = network.lam(point)
    if lam.ndim != 1:
        raise YotoError(f"`point` should be one λ, shape [{len(network.space.names)}]. Found {tuple(lam.shape)}.")
    return lam
