"""The figures of a trade-off curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from yoto.drawing.columns import Places, parameter_label
from yoto.errors import YotoError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from yoto.drawing.columns import Column

Kind: TypeAlias = Literal["terms", "ternary", "space"]
KINDS = ("terms", "ternary", "space")
Names: TypeAlias = "tuple[str | None, str | None, str | None]"


class Curve(Protocol):
    """What of a `TradeoffCurve` is drawn; see there."""

    @property
    def parameters(self) -> tuple[str, ...]: ...
    @property
    def points(self) -> tuple[dict[str, float], ...]: ...
    @property
    def terms(self) -> dict[str, tuple[float, ...]]: ...
    @property
    def metrics(self) -> dict[str, tuple[float, ...]]: ...
    @property
    def info(self) -> dict[str, Any]: ...

    def __len__(self) -> int: ...
    @property
    def varying(self) -> tuple[str, ...]: ...
    @property
    def parameter(self) -> str | None: ...
    def values(self, parameter: str) -> tuple[float, ...]: ...
    def column(self, name: str) -> Column: ...
    def label(self, index: int) -> str: ...
    def ordered(self) -> Curve: ...


def plotted(curve: Curve, names: Names, kind: Kind, dark: bool) -> Figure:
    """The figure of one kind; arguments and errors as of `TradeoffCurve.plot`."""
    if kind not in KINDS:
        raise YotoError(f"`kind` of a figure should be one of {', '.join(KINDS)}. Found {kind!r}.")
    if kind == "ternary":
        return over_triangle(curve, dark)
    if kind == "space":
        return in_space(curve, names, dark)
    from yoto.drawing.lines import curve_figure

    ordered = curve.ordered()
    x, y = two_terms(ordered, names)
    return curve_figure(
        ordered.column(x),
        ordered.column(y),
        [ordered.column(name) for name in ordered.terms],
        places(ordered),
        {index: ordered.label(index) for index in sorted({0, len(ordered) // 2, len(ordered) - 1})},
        dark=dark,
    )


def over_triangle(curve: Curve, dark: bool) -> Figure:
    """Every term and the loss over the triangle of three weights."""
    from yoto.drawing.spatial import ternary_figure

    weights = three_weights(curve)
    if weights is None:
        raise YotoError(
            "A ternary figure should be of weights of three terms that sum to 1, as a Simplex of three has. Found the "
            f"parameters {', '.join(curve.parameters)}."
        )
    rows = [[point[name] for name in weights] for point in curve.points]
    return ternary_figure(weights, rows, [curve.column(name) for name in (*curve.terms, "loss")], dark=dark)


def three_weights(curve: Curve) -> tuple[str, ...] | None:
    """Names of the three parameters that sum to 1 at every point and tell the points apart, or None."""
    names = curve.varying
    sums = [sum(point[name] for name in names) for point in curve.points]
    return names if len(names) == 3 and all(abs(total - 1) < 1e-3 for total in sums) else None


def in_space(curve: Curve, names: Names, dark: bool) -> Figure:
    """Three terms or metrics against each other."""
    from yoto.drawing.spatial import space_figure

    known = [*curve.terms, *curve.metrics]
    if len(known) < 3:
        raise YotoError(f"A figure in space should have three terms or metrics. Found {', '.join(known)}.")
    x, y, z = (name or default for name, default in zip(names, (known[1], known[0], known[2]), strict=True))
    return space_figure(curve.column(x), curve.column(y), curve.column(z), dark=dark)


def places(curve: Curve) -> Places:
    """Where the points stand along the curve: at their value with one parameter, else at their number."""
    if curve.parameter is None:
        return Places("point", [float(index) for index in range(len(curve))], joined=False)
    label = parameter_label(curve.parameter, curve.info.get("symbols", {}), curve.terms)
    return Places(label, curve.values(curve.parameter), joined=True)


def two_terms(curve: Curve, names: Names) -> tuple[str, str]:
    """Names for a horizontal and a vertical axis: by default the second term and the first."""
    known = [*curve.terms, *curve.metrics]
    if not known:
        raise YotoError("A figure should have a term or a metric to show. Found neither on this curve.")
    if len(known) < 2:
        known = [*known, "loss"]
    return names[0] or known[1], names[1] or known[0]
