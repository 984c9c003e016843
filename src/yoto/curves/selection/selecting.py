"""`select`: the λ of a trained model that meets what is asked of its losses and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yoto.curves.selection.request import request
from yoto.curves.selection.result import SelectedPoint, selected
from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import nn

    from yoto.bundle import Bundle
    from yoto.curves.curve import TradeoffCurve
    from yoto.curves.metric import Metric
    from yoto.curves.selection.bounds import Bound
    from yoto.curves.selection.searching import Method
    from yoto.objective import Objective
    from yoto.objective.terms import TermsLike
    from yoto.space import Value


def select(
    model: nn.Module | Bundle,
    batches: Any,
    terms: TermsLike,
    *,
    minimise: str | None = None,
    maximise: str | None = None,
    subject_to: str | Sequence[str | Bound] = (),
    metrics: Mapping[str, Metric] | None = None,
    objective: Objective | None = None,
    curve: TradeoffCurve | None = None,
    at: Mapping[str, Value] | None = None,
    confidence: float | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    method: Method = "auto",
    batch: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> SelectedPoint:
    """The λ that makes one quantity small or large under bounds on others, without training.

    With one free parameter: along a stored curve, which costs nothing, by root finding where a bound begins to hold;
    ends are looked at first, and what is not monotone by pieces. With several: a first look everywhere, then local
    searches, by exact gradients through λ where the quantities have them (SLSQP), else without (COBYQA). The answer is
    always measured on all of the batches.

    Args:
        model: A `Conditional`, wrapped or not, or what `load` gave.
        batches: What to measure on, as of `sweep`: not the data that the result will be judged by.
        terms: As of `sweep`.
        minimise, maximise: Name of a term, a metric or "loss": one of the two.
        subject_to: Bounds as people write them, such as ["reconstruction <= 250", "psnr >= 32"].
        metrics: As of `sweep`.
        objective: As of `sweep`.
        curve: What `sweep` gave for this model, also on other data; a bundle's own where `model` is one.
        at: Free parameters that are held at a value.
        confidence: With which probability all bounds should hold, given that the samples are a draw of many: means
            then lie that many of their standard errors inside (Student's t, Bonferroni).
        evaluations: Limit on how many λ are measured in the search; None: 10 along one parameter (24 without a
            curve), 100 over several. Metrics that the request does not name are measured at the answer alone.
        seconds: Limit on the time; a measurement that would probably take longer is not begun, but for the first.
        method: Over several parameters: "gradient", "derivative-free", "optuna" (a Gaussian process, for few and
            noisy evaluations; needs the extra), or "auto", which takes gradients where differences confirm them.
        batch, limit: As of `sweep`.
        seed: Of the model's random numbers and of the search.

    Returns:
        The best point found; where no point meets the bounds (`feasible` is False), the nearest.

    Raises:
        YotoError: If a name is unknown, bounds contradict each other, the model has no free parameter, a value is not
            finite, or batches and terms are not as `sweep` needs them.

    >>> import torch
    >>> from yoto import LogUniform, LossSpace, condition
    >>> space = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
    >>> model = condition(torch.nn.Linear(2, 3), space)
    >>> def terms(net, batch):
    ...     return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    >>> found = select(model, torch.rand(64, 2), terms, minimise="fit", subject_to=["size <= 100"])
    >>> found.feasible, len(found.point)
    (True, 1)
    """
    from yoto.conditioning.wrappers import conditional
    from yoto.curves.selection.evaluations import Budget
    from yoto.curves.sweep import opened

    wanted = request(minimise, maximise, subject_to, confidence)
    budget = Budget(evaluations, seconds)
    network, objective, _ = opened(model, objective)
    network = conditional(network, "measure")
    from yoto.curves.evaluation import Evaluator
    from yoto.curves.selection.coordinates import Coordinates
    from yoto.curves.selection.measuring import Bench

    guide = stored_curve(model) if curve is None else checked_curve(curve)
    coordinates = Coordinates(network.space, at)
    evaluator = Evaluator(network, batches, terms, metrics, objective, batch=batch, limit=limit, seed=seed)
    bench = Bench(evaluator, wanted, coordinates)
    measured, limited = bench.problem(budget, guide, method, seed).solve()
    measured = bench.complete(measured, budget)
    point = network.space.describe(measured.lam)
    return selected(
        wanted,
        measured,
        point,
        evaluations=budget.used,
        passes=budget.passes,
        limited=limited,
        baked=lambda: network.bake(point),
    )


def checked_curve(curve: Any) -> TradeoffCurve:
    """The curve that was given.

    Raises:
        YotoError: If it is none.
    """
    from yoto.curves.curve import TradeoffCurve

    if not isinstance(curve, TradeoffCurve):
        raise YotoError(
            f"`curve` should be what `sweep` gave, or TradeoffCurve.from_json(file). Found {type(curve).__name__}."
        )
    return curve


def stored_curve(model: Any) -> TradeoffCurve | None:
    """The curve that a bundle carries, or None."""
    from yoto.bundle import Bundle
    from yoto.curves.curve import TradeoffCurve

    if not isinstance(model, Bundle) or not model.curve:
        return None
    return TradeoffCurve.from_dict(model.curve)
