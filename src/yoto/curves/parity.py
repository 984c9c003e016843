"""The result of a comparison: conditional models against models trained for one λ each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from yoto.curves.curve import TradeoffCurve
from yoto.curves.regret import Regret

MEASURES = ("excess", "ratio", "difference")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What training took.

    Attributes:
        steps: Optimiser steps.
        seconds: Time on the clock.
        cpu_seconds: Processor time, over all threads.
        parameters: Numbers of the trained network, its conditioning network included.
    """

    steps: int
    seconds: float
    cpu_seconds: float
    parameters: int

    @staticmethod
    def total(costs: Sequence[Cost]) -> Cost:
        """The cost of several runs together."""
        return Cost(
            steps=sum(cost.steps for cost in costs),
            seconds=sum(cost.seconds for cost in costs),
            cpu_seconds=sum(cost.cpu_seconds for cost in costs),
            parameters=sum(cost.parameters for cost in costs),
        )


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean, lowest and highest value over the seeds."""

    mean: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return Spread(mean=sum(values) / len(values), low=min(values), high=max(values))


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One conditional model of the comparison, trained once per seed.

    Attributes:
        name: Short name, the same as that of its run folders without the seed.
        label: Name for people.
        recipe: Name of its recipe.
        multiple: Its steps as a multiple of a reference's.
        curves: Its curve for each seed, at the compared points and a grid.
        costs: Its cost for each seed.
    """

    name: str
    label: str
    recipe: str
    multiple: float
    curves: tuple[TradeoffCurve, ...]
    costs: tuple[Cost, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One contender's figures over the seeds, by measure; a measure that is not defined is left out.

    Attributes:
        regrets: Regret per seed; seed k of the contender is held against seed k of the references.
        mean: Over the points: geometric mean of "excess" and "ratio", arithmetic mean of "difference".
        points: The same at every point.
        worst: Index of the point with the largest regret by the strictest measure.
        hypervolume: Dominated volume of the compared points.
    """

    regrets: tuple[Regret, ...]
    mean: dict[str, Spread]
    points: dict[str, tuple[Spread, ...]]
    worst: int
    hypervolume: Spread


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every number of a comparison.

    Attributes:
        title: Name of the recipe.
        points: The compared points, free parameters by name.
        seeds: The seeds.
        references: For each seed the joined curve of the models that were trained for one point alone.
        reference_costs: For each seed the cost of each of them.
        contenders: The conditional models.
        floor: The lowest loss possible, in the loss's unit, or None where none is known.
        reference_point: Of the hypervolumes, by loss term.
        info: Data, split, number of examples, machine, versions.
        recipes: Every recipe that was run, seeds aside.
    """

    title: str
    points: tuple[dict[str, float], ...]
    seeds: tuple[int, ...]
    references: tuple[TradeoffCurve, ...]
    reference_costs: tuple[tuple[Cost, ...], ...]
    contenders: tuple[Contender, ...]
    floor: float | None
    reference_point: dict[str, float]
    info: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Unit of the loss, or "" where the task names none."""
        return str(self.info.get("units", {}).get("loss", ""))

    @property
    def symbols(self) -> dict[str, str]:
        """What parameters are called in text, by name."""
        return dict(self.info.get("symbols", {}))

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """One summary per contender."""
        return tuple(self.summary(contender) for contender in self.contenders)

    def summary(self, contender: Contender) -> Summary:
        """A contender's regret and hypervolume over the seeds."""
        regrets = tuple(
            mine.regret(reference, self.floor)
            for mine, reference in zip(contender.curves, self.references, strict=True)
        )
        mean: dict[str, Spread] = {}
        points: dict[str, tuple[Spread, ...]] = {}
        for measure in MEASURES:
            means = [regret.mean(measure) for regret in regrets]
            columns = [regret.values(measure) for regret in regrets]
            known = [value for value in means if value is not None]
            if len(known) == len(regrets):
                mean[measure] = Spread.of(known)
                rows = [column for column in columns if column is not None]
                points[measure] = tuple(Spread.of(values) for values in zip(*rows, strict=True))
        strictest = points[next(iter(points))]
        return Summary(
            regrets=regrets,
            mean=mean,
            points=points,
            worst=max(range(len(self.points)), key=lambda index: strictest[index].mean),
            hypervolume=self.volume([curve.at(self.points) for curve in contender.curves]),
        )

    def volume(self, curves: Sequence[TradeoffCurve]) -> Spread:
        """Hypervolume of each seed's curve."""
        return Spread.of([curve.hypervolume(self.reference_point).value for curve in curves])

    @property
    def measure(self) -> str:
        """The strictest measure that is defined for every contender: "excess", "ratio" or "difference"."""
        return next(name for name in MEASURES if all(name in summary.mean for summary in self.summaries))

    @property
    def spent(self) -> Cost:
        """The cost of everything that was trained."""
        runs = [cost for contender in self.contenders for cost in contender.costs]
        return Cost.total([*runs, *(cost for costs in self.reference_costs for cost in costs)])

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON-able values."""
        return {
            "format": "yoto-comparison",
            "version": 1,
            "title": self.title,
            "points": list(self.points),
            "seeds": list(self.seeds),
            "unit": self.unit,
            "floor": self.floor,
            "measure": self.measure,
            "reference_point": self.reference_point,
            "info": self.info,
            "contenders": [
                {
                    "name": contender.name,
                    "label": contender.label,
                    "recipe": contender.recipe,
                    "multiple": contender.multiple,
                    "mean": {name: asdict(spread) for name, spread in summary.mean.items()},
                    "at_points": {
                        name: [asdict(spread) for spread in spreads] for name, spreads in summary.points.items()
                    },
                    "worst_point": self.points[summary.worst],
                    "hypervolume": asdict(summary.hypervolume),
                    "regret": [regret.to_dict() for regret in summary.regrets],
                    "cost": [asdict(cost) for cost in contender.costs],
                    "curves": [curve.to_dict() for curve in contender.curves],
                }
                for contender, summary in zip(self.contenders, self.summaries, strict=True)
            ],
            "fixed": {
                "hypervolume": asdict(self.volume(self.references)),
                "cost": [[asdict(cost) for cost in costs] for costs in self.reference_costs],
                "curves": [curve.to_dict() for curve in self.references],
            },
            "spent": asdict(self.spent),
            "recipes": self.recipes,
        }
