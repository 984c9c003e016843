"""The trade-off curve: what one model, or a set of models, reaches at each λ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from yoto.curves.fields import check_same_data, filled, from_mapping, json_text, read_json
from yoto.curves.fields import column as numbers
from yoto.curves.indicators import Hypervolume, directed
from yoto.curves.measurements import Measurements
from yoto.curves.regret import Regret
from yoto.curves.rows import curve_fields, curve_rows, summary
from yoto.drawing.columns import Column, point_label, with_unit
from yoto.drawing.tables import csv_text
from yoto.errors import YotoError, near_misses
from yoto.support.directions import Direction
from yoto.support.files import write_atomic
from yoto.support.numbers import is_number

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from yoto.curves.plots import Kind

T = TypeVar("T")


def same_point(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two points name the same parameters with values equal to float32 precision."""
    return one.keys() == other.keys() and all(
        math.isclose(one[name], other[name], rel_tol=1e-5, abs_tol=1e-12) for name in one
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class TradeoffCurve(Measurements):
    """Means of every loss term and metric over one data set, at each of m points of a loss space.

    `sweep` makes one; one made elsewhere is filled in by hand. Columns may be any sequences of numbers (lists, arrays,
    tensors); they are kept as tuples of floats.

    Attributes:
        parameters: Names of the free parameters; those of the first point if left out.
        points: The free parameters at each point.
        weights: All columns of λ at each point; the free parameters alone if left out.
        terms: Mean of each loss term at each point, in the term's unit; lower is better.
        loss: Mean of the full loss at each point.
        balanced: Mean of the loss as training balances it over λ, at each point; may be empty.
        metrics: Mean of each further metric at each point.
        errors: Standard errors of those means by name, "loss" among them; may be empty.
        better: Which way metrics are better, "lower" or "higher", by name, as far as that is known.
        info: What was evaluated: data, split, n, seed, model, units and so on, as JSON-able values.

    Raises:
        YotoError: If a column has another length than there are points, or holds anything but finite numbers.

    >>> curve = TradeoffCurve(
    ...     points=[{"kl": 0.5}, {"kl": 2.0}], terms={"fit": [1.0, 2.0], "kl": [4.0, 1.5]}, loss=[3.0, 5.0]
    ... )
    >>> curve.series("kl"), curve.label(1), curve.hypervolume({"fit": 3.0, "kl": 5.0}).value
    ((4.0, 1.5), 'kl = 2', 4.5)
    >>> curve
    TradeoffCurve(2 points, kl 0.5 to 2; fit 1 to 2, kl 1.5 to 4; loss 3 to 5)
    >>> regret = curve.regret(replace(curve, loss=(2.5, 5.0)))
    >>> regret.difference, regret.ratio
    ((0.5, 0.0), (1.2, 1.0))
    """

    parameters: tuple[str, ...] = ()
    points: tuple[dict[str, float], ...]
    weights: tuple[dict[str, float], ...] = ()
    terms: dict[str, tuple[float, ...]]
    loss: tuple[float, ...]
    balanced: tuple[float, ...] = ()
    metrics: dict[str, tuple[float, ...]] = field(default_factory=dict)
    errors: dict[str, tuple[float, ...]] = field(default_factory=dict)
    better: dict[str, Direction] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in filled(self).items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return summary(self)

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
            balanced=pick(self.balanced) if self.balanced else (),
            metrics={name: pick(column) for name, column in self.metrics.items()},
            errors={name: pick(column) for name, column in self.errors.items()},
        )

    def at(self, points: Sequence[Mapping[str, float]]) -> TradeoffCurve:
        """The curve at the points given, in their order.

        Raises:
            YotoError: If one of them was not evaluated.
        """
        indices = []
        if isinstance(points, Mapping):
            raise YotoError(f"`points` should be a list of points, each by name. Found one, {dict(points)}.")
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
            check_same_data(curves[0].info, curve.info)

        def merge(columns: Sequence[Mapping[str, tuple[float, ...]]]) -> dict[str, tuple[float, ...]]:
            names = [name for name in columns[0] if all(name in column for column in columns)]
            return {name: tuple(value for column in columns for value in column[name]) for name in names}

        first = curves[0].info
        balanced = tuple(value for curve in curves for value in curve.balanced)
        return TradeoffCurve(
            parameters=curves[0].parameters,
            points=tuple(point for curve in curves for point in curve.points),
            weights=tuple(weight for curve in curves for weight in curve.weights),
            terms=merge([curve.terms for curve in curves]),
            loss=tuple(value for curve in curves for value in curve.loss),
            balanced=balanced if all(curve.balanced for curve in curves) else (),
            better={
                name: way
                for name, way in curves[0].better.items()
                if all(curve.better.get(name) == way for curve in curves)
            },
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
            YotoError: If a point is missing, a floor is no number, or the two were evaluated on different data.
        """
        if not isinstance(reference, TradeoffCurve):
            raise YotoError(f"`reference` should be a TradeoffCurve. Found {type(reference).__name__}.")
        check_same_data(self.info, reference.info)
        mine = self.at(reference.points)
        if floor is not None:
            floor = numbers("floor", [floor] * len(reference) if is_number(floor) else floor)
        if floor is not None and len(floor) != len(reference):
            raise YotoError(f"`floor` should be one number or {len(reference)} numbers. Found {len(floor)} numbers.")
        return Regret(
            points=reference.points,
            loss=mine.loss,
            reference=reference.loss,
            floor=floor,
        )

    def hypervolume(
        self, reference_point: Mapping[str, float], better: Mapping[str, Direction] | None = None
    ) -> Hypervolume:
        """Volume that the curve dominates in the named terms or metrics.

        Terms and the loss are minimised, metrics as the curve's `better` says.

        Args:
            reference_point: For each objective, the value beyond which a point counts for nothing: above it, or below
                it where higher is better. Choose it once for all curves that will be compared.
            better: Which way objectives are better, where the curve does not say.

        Raises:
            YotoError: If a name is unknown, or which way it is better.
        """
        if not isinstance(reference_point, Mapping):
            raise YotoError(f"`reference_point` should give a value by name. Found {reference_point!r}.")
        columns = {name: self.series(name) for name in reference_point}
        lower = dict.fromkeys([*self.terms, "loss"], "lower")
        return directed(columns, reference_point, {**lower, **self.better, **(better or {})})

    def score(self) -> float:
        """Mean over the points of the loss as training balances it: one number for early stopping and checkpoints.

        Points of `space.grid` lie evenly in P_λ, so that it stands for the mean over the distribution; `yoto train`
        chooses best/ by it. Lower is better. It compares models on the same data, points and objective.

        Raises:
            YotoError: If the curve does not have the balanced loss.
        """
        if not self.balanced:
            raise YotoError("`balanced` should be filled in for a score, as `sweep` does. Found none.")
        return sum(self.balanced) / len(self.balanced)

    def column(self, name: str) -> Column:
        """A series as it is drawn: with its unit and standard errors."""
        return Column(with_unit(name, self.info.get("units", {})), self.series(name), self.errors.get(name, ()))

    def plot(
        self,
        x: str | None = None,
        y: str | None = None,
        z: str | None = None,
        *,
        kind: Kind = "terms",
        dark: bool = False,
    ) -> Figure:
        """A matplotlib figure.

        Args:
            x, y, z: Terms or metrics across, upwards and, of "space", in height; by default the second, first and third
                term.
            kind: "terms": two terms against each other, and every term along the parameter. "ternary": for weights of
                three terms with the sum 1, each term and the loss over the triangle of weights; `space.grid(n,
                kind="lattice")` gives points that fill it. "space": three terms against each other.
            dark: For a dark page.

        Raises:
            YotoError: If a name is unknown, or the curve does not suit the kind.
        """
        from yoto.curves.plots import plotted

        return plotted(self, (x, y, z), kind, dark)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; `from_dict` reads them back."""
        return {"format": "yoto-curve", "version": 1, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TradeoffCurve:
        """Read what `to_dict` gave, also after a round through JSON.

        Raises:
            YotoError: If it is something else.
        """
        return cls(**from_mapping(values, tuple(cls.__dataclass_fields__)))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the whole curve, from which `from_json` reads an equal one.

        Raises:
            YotoError: If `info` holds what JSON does not.
        """
        write_atomic(path, json_text(self.to_dict()))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> TradeoffCurve:
        """Read a curve that `to_json` wrote.

        Raises:
            YotoError: If the file is missing, damaged or something else.
        """
        return cls.from_dict(read_json(path))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row per point, for a spreadsheet, without `info`; titles of metrics say which way is better."""
        write_atomic(path, csv_text(curve_rows(vars(self))))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> TradeoffCurve:
        """Read what `to_csv` wrote; `info` is empty.

        Raises:
            YotoError: If the file is missing or has other columns.
        """
        return cls(**curve_fields(path))
