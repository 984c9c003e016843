"""Loss terms and metrics of a model at any λ over a set of batches: what sweeping and choosing share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from yoto.conditioning import Conditional, bind
from yoto.conditioning.modes import evaluating
from yoto.conditioning.ranks import refuse_sharded
from yoto.conditioning.wrappers import unwrapped
from yoto.curves.batches import Batches, copied
from yoto.curves.metric import Metric
from yoto.curves.sums import Sums
from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.objective.step import check_space
from yoto.objective.terms import TermsLike, terms_function, with_lambda
from yoto.space import LossSpace
from yoto.space.space import WHOLE
from yoto.support.directions import Direction
from yoto.support.graphs import without_graph
from yoto.support.numbers import check_seed
from yoto.support.seeds import noise_seed, seed_all, streams_kept
from yoto.task import BaseTask, Task, complete

Progress = Callable[[int, int | None], None]
"""Called with the number of examples done and their total, None where that is not known beforehand."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a model reaches at one λ: means over all samples, and their standard errors by name.

    Attributes:
        point: The free parameters.
        weights: All columns of λ.
        terms: Mean of each loss term.
        loss: Mean of the full loss.
        balanced: Mean of the loss as training balances it over λ.
        metrics: Mean of each metric, or its value where it is of the whole set.
        errors: Standard errors of the means, "loss" among them; none of what came reduced, or of one sample.
        n: Number of samples.
    """

    point: dict[str, float]
    weights: dict[str, float]
    terms: dict[str, float]
    loss: float
    balanced: float
    metrics: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)
    n: int = 0


class Evaluator:
    """Measures a model at any λ over the same samples with the same random numbers, and remembers what it measured.

    The model is in evaluation mode meanwhile and without gradients; its modes and torch's global random state are as
    before afterwards. It is bound once per λ, not per sample. After its parameters changed, make another evaluator.

    Args:
        model: A `Conditional`, or a plain network (baked, or trained for one λ), which has one λ.
        batches: As of `sweep`.
        terms: As of `sweep`.
        metrics: As of `sweep`.
        objective: Computes the full loss; None: the weighted sum.
        space: Needed for a plain network unless `objective` is given.
        batch, limit, seed: As of `sweep`.
        scores: Whether to compute a task's numbers of the network as a whole; they join the metrics.

    Attributes:
        evaluations: How many λ were measured so far.
        passes: How often the batches were passed over.

    Raises:
        YotoError: If an argument is of another kind than said.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Any,
        terms: TermsLike,
        metrics: Mapping[str, Metric] | None = None,
        objective: Objective | None = None,
        *,
        space: LossSpace | None = None,
        batch: int | None = None,
        limit: int | None = None,
        seed: int = 0,
        scores: bool = False,
    ) -> None:
        check_kinds(model, objective)
        check_seed(seed)
        model = unwrapped(model)
        if objective is not None and isinstance(model, Conditional):
            check_space(objective, model)
        refuse_sharded(model, "measure")
        self.model, self.seed, self.scores = model, seed, scores
        parameter = next(model.parameters(), None)
        self.device = torch.device("cpu") if parameter is None else parameter.device
        self.batches = Batches(batches, batch=batch, limit=limit, device=self.device)
        self.task = task_of(terms)
        self.terms = terms_function(terms)
        self.space = space or space_of(model, objective)
        self.objective = objective or Objective(self.space)
        self.metrics = checked_metrics(metrics)
        self.task_metrics = self.task.metrics if metrics is None and self.task is not None else None
        self.known: dict[tuple[float, ...], Evaluation] = {}
        self.evaluations = self.passes = 0

    @property
    def better(self) -> dict[str, Direction]:
        """Which way metrics are better, as far as that was said."""
        said = {name: metric.better for name, metric in self.metrics.items()}
        if self.task_metrics is None or self.task is None:
            return said
        return {**cast("Mapping[str, Direction]", self.task.better), **said}

    def __call__(self, points: Tensor, progress: Progress | None = None) -> list[Evaluation]:
        """What the model reaches at each λ of `points` [m, D]: one pass over the batches for all that are new.

        Raises:
            YotoError: If the shapes do not fit, a plain network is given several points, the terms are not as the
                objective needs them, or a mean is not finite.
        """
        check_points(self.model, points, self.space)
        keys = [tuple(lam.tolist()) for lam in points]
        new = {key: lam for key, lam in zip(keys, points, strict=True) if key not in self.known}
        if new:
            found = self.measure(torch.stack(list(new.values())).to(self.device), progress)
            self.known.update(zip(new, found, strict=True))
            self.evaluations += len(new)
        return [self.known[key] for key in keys]

    def measure(self, points: Tensor, progress: Progress | None) -> list[Evaluation]:
        """One pass over the batches for λ [m, D]."""
        self.passes += 1
        sums = [Sums(free_columns(self.space, lam)) for lam in points]
        outputs: list[dict[str, list[tuple[Tensor, ...]]]] = [{} for _ in points]
        with torch.no_grad(), evaluating(self.model), streams_kept(self.device):
            nets = [bind(self.model, lam) for lam in points]
            done = 0
            for each in self.batches.passes(self.seed):
                for lam, net, own, kept in zip(points, nets, sums, outputs, strict=True):
                    size = self.add(net, each.examples, each.size, lam, own, noise_seed(self.seed, each.number))
                    self.collect(net, each.examples, kept)
                done += size
                if progress is not None:
                    progress(done, self.batches.total)
            scores = [self.scored(net) for net in nets]
        return [
            self.evaluation(lam, own, {**self.whole(kept), **score})
            for lam, own, kept, score in zip(points, sums, outputs, scores, strict=True)
        ]

    def add(self, net: nn.Module, examples: Any, size: int | None, lam: Tensor, sums: Sums, seed: int) -> int:
        """Add the terms, loss and metrics of a batch at λ [D] to `sums`; returns the number of its samples."""
        at = lam if size is None else lam.expand(size, -1)

        def found() -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
            seed_all(seed)
            return self.terms(net, copied(examples), at), self.per_sample(net, examples, at)

        terms, metrics = without_graph(found)
        loss = self.objective.loss(terms, lam)
        count = next((len(term) for term in terms.values() if term.ndim), size or 1)
        if not self.objective.per_batch:
            check_per_sample(metrics, count)
        if WHOLE in terms:
            raise YotoError(f"A loss term should have a name of its own. Found {WHOLE!r}, which the whole loss has.")
        doubled = {*metrics, *self.metrics} & {*terms, WHOLE}
        if doubled:
            raise YotoError(f"A metric should have a name of its own. Found {min(doubled)!r}, which a loss has.")
        sums.add({"term": terms, "metric": metrics, "loss": {"loss": loss}}, count)
        return count

    def per_sample(self, net: nn.Module, examples: Any, at: Tensor) -> dict[str, Tensor]:
        """The metrics that are means over samples."""
        found = dict(self.task_metrics(net, copied(examples), at)) if self.task_metrics is not None else {}
        for name, metric in self.metrics.items():
            if not metric.whole:
                found[name] = with_lambda(metric.function, f"metrics[{name!r}]")(net, copied(examples), at)
        return found

    def collect(self, net: nn.Module, examples: Any, kept: dict[str, list[tuple[Tensor, ...]]]) -> None:
        """Keep what metrics of the whole set need of a batch; one call of the network where they share it."""
        made: dict[Any, tuple[Tensor, ...]] = {}
        for name, metric in self.metrics.items():
            if metric.whole:
                if metric.outputs not in made:
                    made[metric.outputs] = without_graph(partial(outputs_of, metric, name, net, examples))
                kept.setdefault(name, []).append(made[metric.outputs])

    def whole(self, kept: Mapping[str, Sequence[tuple[Tensor, ...]]]) -> dict[str, float]:
        """The metrics of the whole set."""
        found = {}
        for name, parts in kept.items():
            value = float(self.metrics[name].function(*(torch.cat(column) for column in zip(*parts, strict=True))))
            if value != value or abs(value) == float("inf"):
                raise YotoError(f"Metric {name!r} should be a finite number. Found {value}.")
            found[name] = value
        return found

    def scored(self, net: nn.Module) -> Mapping[str, float]:
        """The task's numbers of the network as a whole, where they are asked for."""
        return self.task.scores(net, seed=self.seed) if self.scores and self.task is not None else {}

    def evaluation(self, lam: Tensor, sums: Sums, further: Mapping[str, float]) -> Evaluation:
        """What the sums of one λ [D] come to."""
        means: dict[str, dict[str, float]] = {"term": {}, "metric": {}, "loss": {}}
        for (group, name), value in sums.means().items():
            means[group][name] = value
        loss = means["loss"]["loss"]
        return Evaluation(
            point=sums.point,
            weights=columns_of(self.space, lam),
            terms=means["term"],
            loss=loss,
            balanced=loss / float(self.objective.divisor(lam)),
            metrics={**means["metric"], **further},
            errors={name: error for (_, name), error in sums.errors().items()},
            n=sums.count,
        )


def task_of(terms: TermsLike) -> BaseTask | None:
    """The task that gives the terms, with defaults for what it may lack; None where a function does."""
    if getattr(terms, "terms", None) is None:
        return None
    return complete(cast(Task, terms))


def outputs_of(metric: Metric, name: str, net: nn.Module, examples: Any) -> tuple[Tensor, ...]:
    """What a metric of the whole set keeps of a batch, on the CPU."""
    if metric.outputs is not None:
        found = metric.outputs(net, copied(examples))
    elif isinstance(examples, Tensor):
        found = (net(copied(examples)), examples)
    elif isinstance(examples, (tuple, list)) and len(examples) == 2:
        found = (net(copied(examples[0])), examples[1])
    else:
        raise YotoError(f"Metric {name!r} should say what to collect of such batches: outputs=lambda net, batch: ….")
    parts = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    if not all(isinstance(part, Tensor) and part.ndim for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise YotoError(f"Metric {name!r} should collect tensors [B, ...]. Found {kinds}. Give outputs=.")
    return tuple(part.detach().cpu() for part in parts)


def check_per_sample(metrics: Mapping[str, Any], size: int) -> None:
    """Refuse metrics that are not one number per sample, [size]."""
    for name, value in metrics.items():
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        if shape is None or not shape or value.numel() != size:
            found = f"shape {list(shape)}" if shape is not None else type(value).__name__
            raise YotoError(
                f"Metric {name!r} should hold one number per sample, shape [{size}]. Found {found}. Leave the mean "
                "over samples to yoto; what is no mean is Metric(…, whole=True)."
            )


def checked_metrics(metrics: Any) -> dict[str, Metric]:
    """Metrics by name, each a `Metric`."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise YotoError(f"`metrics` should map names to yoto.Metric. Found {type(metrics).__name__}.")
    for name, metric in metrics.items():
        if not isinstance(metric, Metric):
            raise YotoError(
                f"`metrics[{name!r}]` should be a yoto.Metric, which says which way is better: "
                f"Metric(function, better='higher'). Found {type(metric).__name__}."
            )
    return dict(metrics)


def check_kinds(model: Any, objective: Any) -> None:
    """Refuse a model that is no network, and an objective that is none."""
    if not isinstance(model, nn.Module):
        raise YotoError(f"`model` should be a network, conditional or plain. Found {type(model).__name__}.")
    if objective is not None and not isinstance(objective, Objective):
        raise YotoError(f"`objective` should be a yoto.Objective or None. Found {type(objective).__name__}.")


def columns_of(space: LossSpace, lam: Tensor) -> dict[str, float]:
    """All columns of λ [D] by name, without the digits that float32 does not carry."""
    return {name: float(f"{value:.7g}") for name, value in zip(space.names, lam.tolist(), strict=True)}


def free_columns(space: LossSpace, lam: Tensor) -> dict[str, float]:
    """The columns of λ [D] that vary, all of a `Choice` among them, by name."""
    values = columns_of(space, lam)
    return {column: values[column] for name in space.free for column in space.names[space.slices[name]]}


def space_of(model: nn.Module, objective: Objective | None) -> LossSpace:
    """The loss space of a conditional model, else that of the objective."""
    if isinstance(model, Conditional):
        return model.space
    if objective is None:
        raise YotoError("`space` should be given with a plain network, which has none of its own. Found None.")
    return objective.space


def check_points(model: nn.Module, points: Any, space: LossSpace) -> None:
    """Refuse λ of another shape than [m, D] or of NaN, and several for a plain network."""
    good = isinstance(points, Tensor) and points.ndim == 2 and points.shape[1] == len(space.names) and len(points)
    if not good:
        found = tuple(points.shape) if isinstance(points, Tensor) else type(points).__name__
        raise YotoError(
            f"`points` should have shape [m, {len(space.names)}], columns {', '.join(space.names)}. Found {found}."
        )
    if not bool(points.isfinite().all()):
        raise YotoError(f"`points` should be finite numbers. Found {points[~points.isfinite().all(1)][0].tolist()}.")
    if len(points) > 1 and not isinstance(model, Conditional):
        raise YotoError(
            f"`points` should be one point for a plain network, which is the same at every λ. Found {len(points)}."
        )
