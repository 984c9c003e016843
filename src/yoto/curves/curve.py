"""The trade-off curve: what one model, or a set of models, reaches at each λ."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from yoto.curves.indicators import Hypervolume, hypervolume
from yoto.curves.regret import Regret
from yoto.curves.rows import curve_fields, curve_rows
from yoto.drawing.columns import Column, Places, parameter_label, point_label, with_unit
from yoto.drawing.tables import csv_text
from yoto.errors import YotoError, near_misses
from yoto.support.files import write_atomic

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

T = TypeVar("T")

SAME_DATA = ("task", "data", "split", "n")
"""Entries of `info` that two curves must share before their losses may be compared."""


def same_point(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two points name the same parameters with values equal to float32 precision."""
    return one.keys() == other.keys() and all(
        math.isclose(one[name], other[name], rel_tol=1e-5, abs_tol=1e-12) for name in one
    )


@dataclass(frozen=True, kw_only=True)
class TradeoffCurve:
    """Means of every loss term and metric over one data set, at each of m points of a loss space.

    Attributes:
        parameters: Names of the free parameters.
        points: The free parameters at each point.
        weights: All columns of λ at each point.
        terms: Mean of each loss term at each point, in the term's unit.
        loss: Mean of the full loss at each point.
        metrics: Mean of each further metric at each point.
        errors: Standard errors of those means by name, "loss" among them; may be empty.
        info: What was evaluated: data, split, n, seed, model, units and so on, as JSON-able values.

    >>> curve = TradeoffCurve(
    ...     parameters=("kl",), points=({"kl": 0.5}, {"kl": 2.0}),
    ...     weights=({"fit": 1.0, "kl": 0.5}, {"fit": 1.0, "kl": 2.0}),
    ...     terms={"fit": (1.0, 2.0), "kl": (4.0, 1.5)}, loss=(3.0, 5.0),
    ... )
    >>> curve.series("kl"), curve.label(1), curve.hypervolume({"fit": 3.0, "kl": 5.0}).value
    ((4.0, 1.5), 'kl = 2', 4.5)
    >>> regret = curve.regret(replace(curve, loss=(2.5, 5.0)))
    >>> regret.difference, regret.ratio
    ((0.5, 0.0), (1.2, 1.0))
    """

    parameters: tuple[str, ...]
    points: tuple[dict[str, float], ...]
    weights: tuple[dict[str, float], ...]
    terms: dict[str, tuple[float, ...]]
    loss: tuple[float, ...]
    metrics: dict[str, tuple[float, ...]] = field(default_factory=dict)
    errors: dict[str, tuple[float, ...]] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = (
            *self.terms.values(),
            *self.metrics.values(),
            *self.errors.values(),
            self.loss,
            self.weights,
        )
        if not self.points or any(len(column) != len(self.points) for column in columns):
            raise YotoError(
                "Each term, metric and error should have one value for each point, of which at least 1. "
                f"Found {len(self.points)} points and lengths {[len(column) for column in columns]}."
            )
        if any(set(point) != set(self.parameters) for point in self.points):
            raise YotoError(f"Each point should give {list(self.parameters)}. Found {list(self.points)}.")

    def __len__(self) -> int:
        return len(self.points)

    @property
    def varying(self) -> tuple[str, ...]:
        """The free parameters that tell the points apart; all of them where nothing does."""
        found = tuple(name for name in self.parameters if len({point[name] for point in self.points}) > 1)
        return found or self.parameters

    @property
    def parameter(self) -> str | None:
        """The one free parameter along which the points lie, or None where several tell them apart."""
        return self.varying[0] if len(self.varying) == 1 else None

    def label(self, index: int) -> str:
        """A point for people, by what tells it from the others."""
        point = {name: self.points[index][name] for name in self.varying}
        return point_label(point, self.info.get("symbols"))

    def series(self, name: str) -> tuple[float, ...]:
        """The values of a term, a metric or "loss" along the curve.

        Raises:
            YotoError: If there is no such name.
        """
        columns = {"loss": self.loss, **self.metrics, **self.terms}
        if name not in columns:
            known = [*self.terms, *self.metrics, "loss"]
            raise YotoError(f"A series should be one of {known}. Found {name!r}.{near_misses(name, known)}")
        return columns[name]

    def values(self, parameter: str) -> tuple[float, ...]:
        """The values of a free parameter along the curve; it may have the name of the term that it weighs.

        Raises:
            YotoError: If there is no such parameter.
        """
        if parameter not in self.parameters:
            raise YotoError(
                f"`parameter` should be one of {list(self.parameters)}. Found {parameter!r}."
                f"{near_misses(parameter, self.parameters)}"
            )
        return tuple(point[parameter] for point in self.points)

    def take(self, indices: Sequence[int]) -> TradeoffCurve:
        """The curve at some of its points, in the order given."""

        def pick(column: Sequence[T]) -> tuple[T, ...]:
            return tuple(column[index] for index in indices)

        return replace(
            self,
            points=pick(self.points),
            weights=pick(self.weights),
            terms={name: pick(column) for name, column in self.terms.items()},
            loss=pick(self.loss),
            metrics={name: pick(column) for name, column in self.metrics.items()},
            errors={name: pick(column) for name, column in self.errors.items()},
        )

    def at(self, points: Sequence[Mapping[str, float]]) -> TradeoffCurve:
        """The curve at the points given, in their order.

        Raises:
            YotoError: If one of them was not evaluated.
        """
        indices = []
        for wanted in points:
            found = [index for index, point in enumerate(self.points) if same_point(point, wanted)]
            if not found:
                raise YotoError(f"`points` should be among those of the curve. Found {dict(wanted)}. Sweep it too.")
            indices.append(found[0])
        return self.take(indices)

    def ordered(self) -> TradeoffCurve:
        """The same curve with its points in rising order of the parameters."""
        return self.take(sorted(range(len(self)), key=lambda i: [self.points[i][name] for name in self.parameters]))

    @staticmethod
    def join(curves: Sequence[TradeoffCurve]) -> TradeoffCurve:
        """One curve with the points of several, such as of models that were trained for one λ each.

        Only names that every curve has are kept, and of `info` only what is equal in all.

        Raises:
            YotoError: If there is no curve, the parameters differ or the data differ.
        """
        if not curves or any(curve.parameters != curves[0].parameters for curve in curves):
            raise YotoError("`curves` should be at least one curve, all with the same free parameters.")
        for curve in curves[1:]:
            check_same_data(curves[0], curve)

        def merge(columns: Sequence[Mapping[str, tuple[float, ...]]]) -> dict[str, tuple[float, ...]]:
            names = [name for name in columns[0] if all(name in column for column in columns)]
            return {name: tuple(value for column in columns for value in column[name]) for name in names}

        first = curves[0].info
        return TradeoffCurve(
            parameters=curves[0].parameters,
            points=tuple(point for curve in curves for point in curve.points),
            weights=tuple(weight for curve in curves for weight in curve.weights),
            terms=merge([curve.terms for curve in curves]),
            loss=tuple(value for curve in curves for value in curve.loss),
            metrics=merge([curve.metrics for curve in curves]),
            errors=merge([curve.errors for curve in curves]),
            info={
                key: first[key]
                for key in first
                if all(key in curve.info and curve.info[key] == first[key] for curve in curves)
            },
        )

    def regret(self, reference: TradeoffCurve, floor: float | Sequence[float] | None = None) -> Regret:
        """Regret against models trained for each point alone, at the points of `reference`.

        Args:
            reference: Usually the joined curves of models that were trained for one λ each; every one of its points
                must be on this curve, whose further points are left out.
            floor: The lowest loss possible, for all points or for each.

        Raises:
            YotoError: If a point is missing, or the two were evaluated on different data.
        """
        check_same_data(self, reference)
        mine = self.at(reference.points)
        if isinstance(floor, int | float):
            floor = [float(floor)] * len(reference)
        if floor is not None and len(floor) != len(reference):
            raise YotoError(f"`floor` should be one number or {len(reference)} numbers. Found {len(floor)} numbers.")
        return Regret(
            points=reference.points,
            loss=mine.loss,
            reference=reference.loss,
            floor=None if floor is None else tuple(floor),
        )

    def hypervolume(self, reference_point: Mapping[str, float]) -> Hypervolume:
        """Volume that the curve dominates in the named terms or metrics, all of them minimised.

        Args:
            reference_point: For each objective, the value beyond which a point counts for nothing.
                Choose it once for all curves that will be compared.
        """
        columns = [self.series(name) for name in reference_point]
        value = hypervolume(list(zip(*columns, strict=True)), list(reference_point.values()))
        return Hypervolume(value=value, reference_point=dict(reference_point))

    def column(self, name: str) -> Column:
        """A series as it is drawn: with its unit and standard errors."""
        return Column(with_unit(name, self.info.get("units", {})), self.series(name), self.errors.get(name, ()))

    def places(self) -> Places:
        """Where the points stand along the curve: at their value with one parameter, else at their number."""
        if self.parameter is None:
            return Places("point", [float(index) for index in range(len(self))], joined=False)
        label = parameter_label(self.parameter, self.info.get("symbols", {}), self.terms)
        return Places(label, self.values(self.parameter), joined=True)

    def two_terms(self, x: str | None = None, y: str | None = None) -> tuple[str, str]:
        """Names for a horizontal and a vertical axis: by default the second term and the first."""
        names = [*self.terms, *self.metrics]
        if len(names) < 2:
            names = [*names, "loss"]
        return x or names[1], y or names[0]

    def plot(self, x: str | None = None, y: str | None = None, *, dark: bool = False) -> Figure:
        """A matplotlib figure: two terms against each other, and every term along the parameter.

        Args:
            x, y: Terms or metrics across and upwards; by default the second and the first term.
            dark: For a dark page.

        Raises:
            YotoError: If a name is unknown.
        """
        from yoto.drawing.lines import curve_figure

        curve, (x, y) = self.ordered(), self.two_terms(x, y)
        return curve_figure(
            curve.column(x),
            curve.column(y),
            [curve.column(name) for name in curve.terms],
            curve.places(),
            {index: curve.label(index) for index in sorted({0, len(curve) // 2, len(curve) - 1})},
            dark=dark,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; `from_dict` reads them back."""
        return {"format": "yoto-curve", "version": 1, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TradeoffCurve:
        """Read what `to_dict` gave, also after a round through JSON.

        Raises:
            YotoError: If it is something else.
        """
        if (values.get("format"), values.get("version")) != ("yoto-curve", 1):
            raise YotoError("A curve should be a JSON object with the format 'yoto-curve', version 1.")
        try:
            loaded: dict[str, Any] = {part.name: values[part.name] for part in fields(cls)}
            for name in ("parameters", "points", "weights", "loss"):
                loaded[name] = tuple(loaded[name])
            for name in ("terms", "metrics", "errors"):
                loaded[name] = {key: tuple(map(float, column)) for key, column in loaded[name].items()}
            return cls(**loaded)
        except (KeyError, TypeError, AttributeError) as error:
            raise YotoError(f"A curve should have every field of its format. Found: {error!r}.") from None

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the whole curve, from which `from_json` reads an equal one."""
        write_atomic(path, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> TradeoffCurve:
        """Read a curve that `to_json` wrote.

        Raises:
            YotoError: If the file is missing, damaged or something else.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise YotoError(f"{str(path)!r} should be a curve as JSON. Found: {error}.") from None
        return cls.from_dict(values if isinstance(values, dict) else {})

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row per point, for a spreadsheet; `info` stays out of it."""
        write_atomic(path, csv_text(curve_rows(vars(self))))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> TradeoffCurve:
        """Read what `to_csv` wrote; `info` is empty.

        Raises:
            YotoError: If the file is missing or has other columns.
        """
        return cls(**curve_fields(path))


def check_same_data(one: TradeoffCurve, other: TradeoffCurve) -> None:
    """Refuse to compare curves whose `info` says that they come from different data or noise.

    Raises:
        YotoError: Naming the first entry that differs; one that either lacks is not compared.
    """
    for key in SAME_DATA:
        if key in one.info and key in other.info and one.info[key] != other.info[key]:
            raise YotoError(
                f"Curves should come from the same data before they are compared. Found {key!r} "
                f"{one.info[key]!r} and {other.info[key]!r}. Sweep both with the same settings."
            )
