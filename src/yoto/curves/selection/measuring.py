"""A model and its data as a search sees them: numbers at λ, on all batches or on a part of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from yoto.conditioning import bind
from yoto.conditioning.modes import evaluating
from yoto.curves.batches import Batches, copied, first
from yoto.curves.evaluation import Evaluation, Evaluator
from yoto.curves.selection.coordinates import Coordinates
from yoto.curves.selection.evaluations import Budget, Evaluate, Lam
from yoto.curves.selection.request import Measured, Request
from yoto.curves.selection.searching import Method, Problem
from yoto.errors import YotoError
from yoto.support.seeds import noise_seed, seed_all, streams_kept

if TYPE_CHECKING:
    from yoto.curves.curve import TradeoffCurve
    from yoto.space import LossSpace

PART = 512
"""Samples on which several parameters are searched."""
SPREAD = 8
"""Batches of which they are, where it is known how many there are; else they are the first."""


def measured(found: Evaluation) -> Measured:
    """An evaluation in the search's own words."""
    values = {"loss": found.loss, **found.metrics, **found.terms}
    return Measured(lam=tuple(found.weights.values()), values=values, errors=found.errors, samples=found.n)


def evaluate(evaluator: Evaluator) -> Evaluate:
    """The evaluator as a function of λ as numbers."""

    def function(points: Sequence[Lam]) -> list[Measured]:
        found = [measured(each) for each in evaluator(torch.tensor(points, dtype=torch.float32))]
        return [
            Measured(lam=lam, values=each.values, errors=each.errors, samples=each.samples)
            for lam, each in zip(points, found, strict=True)
        ]

    return function


def part_of(batches: Batches, seed: int, spread: bool) -> tuple[list[Any], int, bool]:
    """Batches to search on, how many samples they have, and whether that is all.

    Args:
        batches: All.
        seed: Of a pass.
        spread: Whether to take samples from all over the data, which may be sorted, where it is known how many there
            are. Else the first batches.
    """
    total = batches.total if spread else None
    kept: list[Any] = []
    done = 0
    places: set[int] = set()
    for each in batches.passes(seed):
        examples, count = each.examples, each.size or 1
        if total is None or each.size is None:
            if done >= PART:
                return kept, done, False
        elif total > PART:
            if not each.number:
                last = math.ceil(total / each.size) - 1
                places = {round(index * last / (SPREAD - 1)) for index in range(SPREAD)}
            if each.number not in places:
                continue
            count = min(each.size, math.ceil(PART / len(places)))
            examples = first(examples, each.size, count)
        kept.append(examples)
        done += count
    return kept, done, total is None or total <= PART


@final
class Bench:
    """All batches, a part of them, and derivatives on that.

    Args:
        evaluator: Measures on all batches.
        request: What is wanted; its names are held against what is measured on the first batch.
        coordinates: Where.

    Raises:
        YotoError: If a name is unknown, or there is no batch.
    """

    def __init__(self, evaluator: Evaluator, request: Request, coordinates: Coordinates) -> None:
        self.evaluator, self.request, self.coordinates = evaluator, request, coordinates
        with streams_kept(evaluator.device):
            self.first, self.samples, self.whole = part_of(evaluator.batches, evaluator.seed, coordinates.size > 1)
        self.part = self.of(self.first)
        middle = coordinates.lam([0.5] * coordinates.size, coordinates.alternatives[0])
        (probe,) = self.of(self.first[:1])(torch.tensor([middle]))
        known = measured(probe)
        self.names = list(known.values)
        request.check(self.names)
        if known.samples > 1:
            request.excesses(known)  # refuses errors that are missing
        self.lean = self.of(None) if set(request.names) <= {"loss", *probe.terms} else evaluator
        self.derivable = all(not evaluator.metrics[n].whole for n in request.names if n in evaluator.metrics)

    def of(self, examples: list[Any] | None) -> Evaluator:
        """The same evaluator on other batches; None: on all, without what the request does not name, the metrics."""
        own = copy(self.evaluator)
        own.known = {}
        if examples is None:
            own.metrics, own.task_metrics = {}, None
        else:
            own.batches = Batches(examples, batch=None, limit=None, device=own.device)
        return own

    def complete(self, found: Measured, budget: Budget) -> Measured:
        """What was found, with the metrics that the search did without."""
        if not set(self.names) - set(found.values):
            return found
        started = budget.clock()
        (whole,) = evaluate(self.evaluator)([found.lam])
        budget.spend(1, 1.0, budget.clock() - started)
        return whole

    def share(self) -> float:
        """Of all samples that the part is, as far as that is known."""
        total = self.evaluator.batches.total
        return 1.0 if self.whole else min(1.0, self.samples / total) if total else 0.5

    def derive(self, lam: Tensor) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
        """What the request names of every sample of the part at λ [D], batch by batch, as a graph."""
        own = self.evaluator
        lam = lam.to(own.device, torch.float32)
        with evaluating(own.model), streams_kept(own.device):
            net = bind(own.model, lam)
            for each in self.part.batches.passes(own.seed):
                seed_all(noise_seed(own.seed, each.number))
                at = lam if each.size is None else lam.expand(each.size, -1)
                terms = own.terms(net, copied(each.examples), at)
                further = self.part.per_sample(net, each.examples, at)
                found = {"loss": own.objective.loss(terms, lam), **further, **terms}
                size = next((len(term) for term in terms.values() if term.ndim), each.size or 1)
                yield size, {name: found[name] for name in self.request.names}

    def problem(self, budget: Budget, curve: TradeoffCurve | None, method: Method, seed: int) -> Problem:
        """The selection as a problem without a model; over several parameters without metrics that it does not name."""
        own, part = self.evaluator, self.part
        if self.coordinates.size > 1 and self.lean is not own:
            own = self.lean
            part.metrics, part.task_metrics = {}, None
        return Problem(
            request=self.request,
            coordinates=self.coordinates,
            evaluate=evaluate(own),
            evaluate_part=None if self.whole else evaluate(part),
            share=self.share(),
            derive=self.derive if self.derivable else None,
            guide=guide_of(curve, self.evaluator.space, self.request),
            budget=budget,
            method=method,
            seed=seed,
        )


def guide_of(curve: TradeoffCurve | None, space: LossSpace, request: Request) -> list[Measured]:
    """What a stored curve says of a request; nothing where it lacks a name or an error that is needed.

    Raises:
        YotoError: If it is of another loss space.
    """
    if curve is None:
        return []
    if set(curve.weights[0]) != set(space.names):
        raise YotoError(
            f"`curve` should be of the model's loss space, columns {', '.join(space.names)}. "
            f"Found {', '.join(curve.weights[0])}."
        )
    found = curve.measured()
    lams = [tuple(weights[name] for name in space.names) for weights in curve.weights]
    errors = {bound.name for bound in request.bounds} if request.confidence is not None else set()
    if not set(request.names) <= set(found[0].values) or not errors <= set(found[0].errors):
        return []
    if errors and found[0].samples < 2:
        return []
    return [
        Measured(lam=lam, values=each.values, errors=each.errors, samples=each.samples)
        for lam, each in zip(lams, found, strict=True)
    ]
