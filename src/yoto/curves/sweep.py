"""Measuring a model at many λ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yoto.curves.curve import TradeoffCurve
from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yoto.bundle import Bundle
    from yoto.curves.evaluation import Evaluation, Progress
    from yoto.curves.metric import Metric
    from yoto.objective import Objective
    from yoto.objective.terms import TermsLike
    from yoto.space import LossSpace, Value
    from yoto.task import BaseTask

GRID = 13
"""Points along each free parameter, where none are given."""


def sweep(
    model: nn.Module | Bundle,
    batches: Any,
    terms: TermsLike,
    points: Tensor | Sequence[Mapping[str, Value]] | None = None,
    *,
    metrics: Mapping[str, Metric] | None = None,
    objective: Objective | None = None,
    space: LossSpace | None = None,
    batch: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    scores: bool = False,
    info: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> TradeoffCurve:
    """Mean of every loss term, metric and the full loss over `batches`, at each λ, in one pass over them.

    Every λ sees the same batches with the same random numbers, in evaluation mode and without gradients;
    torch's global random state and the model's training flags are as before afterwards. A conditional
    model is bound once per λ, not per sample.

    Args:
        model: A `Conditional`, a plain network (baked, or trained for one λ; then `points` has one row), either wrapped
            or not (DDP, `torch.compile`), or what `load` gave.
        batches: What to measure on: a DataLoader, a list of batches or any iterable of them (tensors, or tuples, lists
            or mappings of tensors; the first dimension holds the samples), a tensor [N, ...] of examples, or a
            `yoto.data.Data`. They are moved to the model's device.
        terms: Gives the loss terms by name, each [B], of a batch: `terms(net, batch)`, `terms(net, batch, at)` with λ
            as `at`, or a `Task`.
        points: λ [m, D], as `space.grid` or `space.point(…)[None]` give, or the free parameters by name, one mapping
            for each; None: `space.grid(13)`.
        metrics: Further numbers, by name; None: the task's, where it is a task, else none.
        objective: Computes the full loss; None: that of the bundle, where `model` is one, else the weighted sum.
        space: Needed for a plain network unless `objective` is given.
        batch: Examples per batch of a tensor or `Data`, 500 if None; the model's random numbers depend on it.
        limit: The first so many examples only.
        seed: Of the model's random numbers, such as posterior samples, and of a loader that shuffles.
        scores: Whether to compute a task's numbers of the network as a whole; they join the metrics.
        info: Further entries of the curve's `info`, such as {"data": "fashion-mnist", "split": "test"}.
        progress: Called with the number of examples done and their total (None where that is not known).

    Raises:
        YotoError: If an argument is of another kind, the shapes do not fit, a plain network is given several points,
            there is no batch, terms are reduced over the batch (but see `Objective(per_batch=True)`), or a mean is not
            finite.

    >>> import torch
    >>> from yoto import LogUniform, LossSpace, condition
    >>> space = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
    >>> model = condition(torch.nn.Linear(2, 3), space)
    >>> def terms(net, batch):
    ...     return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    >>> curve = sweep(model, [torch.rand(8, 2), torch.rand(5, 2)], terms, space.grid(3))
    >>> curve.values("size"), list(curve.terms), len(curve.loss), curve.info["n"]
    ((0.25, 1.0, 4.0), ['fit', 'size'], 3, 13)
    """
    from yoto.curves.evaluation import Evaluator

    if not isinstance(info, Mapping | None):
        raise YotoError(f"`info` should map names to facts. Found {info!r}.")
    if progress is not None and not callable(progress):
        raise YotoError(f"`progress` should be a function of the examples done and their total. Found {progress!r}.")
    network, objective, known = opened(model, objective)
    evaluator = Evaluator(
        network,
        batches,
        terms,
        metrics,
        objective,
        space=space or known,
        batch=batch,
        limit=limit,
        seed=seed,
        scores=scores,
    )
    found = evaluator(points_of(points, evaluator.space), progress)
    said = words(evaluator.task) if evaluator.task is not None else {}
    size = {} if evaluator.batches.batch is None else {"batch": evaluator.batches.batch}
    more = {"n": found[0].n, "seed": seed, **size, **said, **(info or {})}
    return curve_of(found, {name: way for name, way in evaluator.better.items() if name in found[0].metrics}, more)


def curve_of(found: Sequence[Evaluation], better: Mapping[str, Any], info: Mapping[str, Any]) -> TradeoffCurve:
    """The trade-off curve of what was measured at each of its points."""
    first = found[0]
    return TradeoffCurve(
        parameters=tuple(first.point),
        points=tuple(each.point for each in found),
        weights=tuple(each.weights for each in found),
        terms={name: tuple(each.terms[name] for each in found) for name in first.terms},
        loss=tuple(each.loss for each in found),
        balanced=tuple(each.balanced for each in found),
        metrics={name: tuple(each.metrics[name] for each in found) for name in first.metrics},
        errors={name: tuple(each.errors[name] for each in found) for name in first.errors},
        better=dict(better),
        info=dict(info),
    )


def opened(model: Any, objective: Objective | None) -> tuple[nn.Module, Objective | None, LossSpace | None]:
    """Network, objective and space of what `sweep` is given: where it is a bundle, those that it does not give.

    The network comes out of what wraps it (DDP, `torch.compile`).
    """
    from torch import nn

    from yoto.bundle import Bundle
    from yoto.conditioning.wrappers import unwrapped

    if isinstance(model, Bundle):
        return model.model, objective or model.objective, model.space
    return unwrapped(model) if isinstance(model, nn.Module) else model, objective, None


def points_of(points: Any, space: LossSpace) -> Tensor:
    """λ [m, D] of a tensor, of free parameters by name, or of a grid."""
    import torch

    if points is None:
        return space.grid(GRID)
    if isinstance(points, Mapping):
        raise YotoError(f"`points` should be a list of points, or λ [m, D]. Found one mapping, {dict(points)}.")
    if isinstance(points, Sequence) and points and all(isinstance(point, Mapping) for point in points):
        return torch.stack([space.point(point) for point in points])
    found: Tensor = points
    return found


def words(task: BaseTask) -> dict[str, dict[str, str]]:
    """What a task may say for people: `units` of its terms, metrics and "loss", `symbols` of its parameters."""
    return {name: dict(said) for name, said in (("units", task.units), ("symbols", task.symbols)) if said}
