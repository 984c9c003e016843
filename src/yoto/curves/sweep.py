"""Measuring a model at many λ."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from yoto.curves.curve import TradeoffCurve
from yoto.errors import YotoError
from yoto.support.seeds import noise_seed
from yoto.task import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor, nn

    from yoto.data import Data
    from yoto.objective import Objective
    from yoto.space import LossSpace
    from yoto.task import BaseTask, Task


def sweep(
    model: nn.Module,
    task: Task,
    data: Data,
    points: Tensor,
    *,
    space: LossSpace | None = None,
    objective: Objective | None = None,
    batch: int = 500,
    limit: int | None = None,
    seed: int = 0,
    metrics: bool = True,
    scores: bool = False,
    info: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TradeoffCurve:
    """Mean of every loss term, metric and the full loss over `data`, at each λ.

    Every λ sees the same batches with the same random numbers, in evaluation mode and without gradients;
    torch's global random state and the model's training flags are as before afterwards. A conditional
    model is bound once per λ, not per sample.

    Args:
        model: A `Conditional`, or a plain network (baked, or trained for one λ); then `points` has one row.
        task: Gives terms and metrics.
        data: What to measure on.
        points: λ [m, D], as `space.grid` or `space.point(…)[None]` give.
        space: Needed for a plain network unless `objective` is given.
        objective: Computes the full loss where that is not the weighted sum.
        batch: Examples per batch; the random numbers depend on it.
        limit: The first so many examples only.
        seed: Of the model's random numbers, such as posterior samples.
        metrics: Whether to compute the task's further metrics.
        scores: Whether to compute the task's numbers of the network as a whole; they join the metrics.
        info: Further entries of the curve's `info`, such as {"data": "fashion-mnist", "split": "test"}.
        progress: Called with the number of examples done and their total.

    Raises:
        YotoError: If the shapes do not fit, a plain network is given several points, or a mean is not finite.

    >>> import torch
    >>> from yoto import LogUniform, LossSpace, condition
    >>> from yoto.data import ArrayData
    >>> from yoto.task import BaseTask
    >>> class Ridge(BaseTask):
    ...     def network(self):
    ...         return torch.nn.Linear(2, 3)
    ...     def terms(self, net, batch, at):
    ...         return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    ...     def data(self, split):
    ...         return ArrayData(torch.rand(8, 2))
    >>> space, task = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0)), Ridge()
    >>> model = condition(task.network(), space)
    >>> curve = sweep(model, task, task.data("test"), space.grid(3))
    >>> curve.values("size"), list(curve.terms), len(curve.loss)
    ((0.25, 1.0, 4.0), ['fit', 'size'], 3)
    """
    import torch

    from yoto.conditioning import bind
    from yoto.objective.scalarisation import WeightedSum

    if space is None:
        space = space_of(model, objective)
    check_points(model, points, space)
    if batch < 1 or (limit is not None and limit < 1) or not len(data):
        raise YotoError(
            f"`batch`, `limit` and the number of examples should be at least 1. Found {batch}, {limit} and {len(data)}."
        )
    total = len(data) if limit is None else min(limit, len(data))
    device = next(model.parameters()).device
    data, points, full = data.to(device), points.to(device), complete(task)
    full_loss = WeightedSum(space) if objective is None else objective.loss
    sums = [Sums(free_columns(space, lam)) for lam in points]
    with torch.no_grad(), evaluating(model), repeatable(device):
        nets = [bind(model, lam) for lam in points]
        for number, rows in enumerate(torch.split(torch.arange(total), batch)):
            examples = data.batch(rows, None)
            for lam, net, total_of in zip(points, nets, sums, strict=True):
                torch.manual_seed(noise_seed(seed, number))
                at = lam.expand(len(rows), -1)
                terms = task.terms(net, examples, at)
                loss = full_loss(terms, at)
                further = task.metrics(net, examples, at) if metrics else {}
                total_of.add({"term": terms, "metric": further, "loss": {"loss": loss}}, len(rows))
            if progress is not None:
                progress(int(rows[-1]) + 1, total)
        whole = [full.scores(net, seed=seed) for net in nets] if scores else []
    means, errors = [each.means() for each in sums], [each.errors() for each in sums]
    groups: dict[str, dict[str, tuple[float, ...]]] = {"term": {}, "metric": {}, "loss": {}}
    for group, name in means[0]:
        groups[group][name] = tuple(mean[group, name] for mean in means)
    for name in whole[0] if whole else ():
        groups["metric"][name] = tuple(found[name] for found in whole)
    return TradeoffCurve(
        parameters=tuple(sums[0].point),
        points=tuple(each.point for each in sums),
        weights=tuple(columns_of(space, lam) for lam in points),
        terms=groups["term"],
        loss=groups["loss"]["loss"],
        metrics=groups["metric"],
        errors={name: tuple(error[group, name] for error in errors) for group, name in errors[0]},
        info={"n": total, "seed": seed, "batch": batch, **words(full), **(info or {})},
    )


def words(task: BaseTask) -> dict[str, dict[str, str]]:
    """What a task may say for people: `units` of its terms, metrics and "loss", `symbols` of its parameters."""
    return {name: dict(said) for name, said in (("units", task.units), ("symbols", task.symbols)) if said}


def columns_of(space: LossSpace, lam: Tensor) -> dict[str, float]:
    """All columns of λ [D] by name, without the digits that float32 does not carry."""
    return {name: float(f"{value:.7g}") for name, value in zip(space.names, lam.tolist(), strict=True)}


def free_columns(space: LossSpace, lam: Tensor) -> dict[str, float]:
    """The columns of λ [D] that vary, all of a `Choice` among them, by name."""
    values = columns_of(space, lam)
    return {column: values[column] for name in space.free for column in space.names[space.slices[name]]}


def space_of(model: nn.Module, objective: Objective | None) -> LossSpace:
    """The loss space of a conditional model, else that of the objective."""
    from yoto.conditioning import Conditional

    if isinstance(model, Conditional):
        return model.space
    if objective is None:
        raise YotoError("`space` should be given with a plain network, which has none of its own. Found None.")
    return objective.space


def check_points(model: nn.Module, points: Tensor, space: LossSpace) -> None:
    """Refuse λ of another shape than [m, D], and several for a plain network."""
    from yoto.conditioning import Conditional

    if points.ndim != 2 or points.shape[1] != len(space.names) or not len(points):
        raise YotoError(
            f"`points` should have shape [m, {len(space.names)}], columns {', '.join(space.names)}. "
            f"Found {tuple(points.shape)}."
        )
    if len(points) > 1 and not isinstance(model, Conditional):
        raise YotoError(
            f"`points` should be one point for a plain network, which is the same at every λ. Found {len(points)}."
        )


class Sums:
    """Running sums of per-sample values in float64, at one λ.

    Args:
        point: The free parameters, for messages.
    """

    def __init__(self, point: dict[str, float]) -> None:
        self.point = point
        self.count = 0
        self.first: dict[tuple[str, str], float] = {}
        self.second: dict[tuple[str, str], float] = {}
        self.reduced: set[tuple[str, str]] = set()

    def add(self, groups: Mapping[str, Mapping[str, Tensor]], size: int) -> None:
        """Add values by group and name, each [size], or reduced over the batch."""
        import torch

        keys = [(group, name) for group, values in groups.items() for name in values]
        values = [groups[group][name].detach().flatten() for group, name in keys]
        for key, value in zip(keys, values, strict=True):
            if len(value) not in (1, size):
                raise YotoError(
                    f"{key[0].capitalize()} {key[1]!r} should hold one number per sample, shape [{size}]. "
                    f"Found {len(value)} numbers."
                )
            if len(value) < size:
                self.reduced.add(key)
        table = torch.stack([value.expand(size) for value in values]).to("cpu", torch.float64)
        if not bool(table.isfinite().all()):
            bad = keys[int((~table.isfinite()).any(dim=1).nonzero()[0])][1]
            raise YotoError(
                f"{bad!r} should be finite. Found NaN or infinity at {self.point}, in samples {self.count} to "
                f"{self.count + size - 1}. Usually: a diverged training run."
            )
        sums, squares = table.sum(dim=1).tolist(), table.square().sum(dim=1).tolist()
        for key, one, two in zip(keys, sums, squares, strict=True):
            self.first[key] = self.first.get(key, 0.0) + one
            self.second[key] = self.second.get(key, 0.0) + two
        self.count += size

    def means(self) -> dict[tuple[str, str], float]:
        """Mean by group and name."""
        return {key: value / self.count for key, value in self.first.items()}

    def errors(self) -> dict[tuple[str, str], float]:
        """Standard error of each mean; none for values that came reduced over a batch, or for one sample."""
        if self.count < 2:
            return {}
        spread = {}
        for key, mean in self.means().items():
            if key not in self.reduced:
                variance = max(0.0, self.second[key] - self.count * mean**2) / (self.count - 1)
                spread[key] = (variance / self.count) ** 0.5
        return spread


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A block in which every module is in evaluation mode; each gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def repeatable(device: Any) -> Iterator[None]:
    """A block that may seed torch's global generators; their states come back at its end."""
    import torch

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
