"""Figures of curves and comparisons. They need no display and touch no state of matplotlib's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yoto.drawing.theme import (
    DARK,
    LIGHT,
    canvas,
    colours,
    dress,
    figure,
    halo,
    heading,
    legend,
    logarithmic,
    ticks_at,
)
from yoto.errors import YotoError
from yoto.report.summary import labels, one_name
from yoto.support.files import atomic

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from yoto.curves.curve import TradeoffCurve
    from yoto.curves.parity import Comparison
    from yoto.drawing.theme import Theme

REGRET = {"excess": "loss above the floor", "ratio": "loss", "difference": "loss"}


def save(drawn: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a whole; the suffix chooses the format."""
    with atomic(path) as temporary:
        drawn.savefig(temporary, facecolor=drawn.get_facecolor())


def with_unit(curve: TradeoffCurve, name: str) -> str:
    """A label such as "reconstruction (nats per image)"."""
    unit = curve.info.get("units", {}).get(name, "")
    return f"{name} ({unit})" if unit else name


def parameter_label(curve: TradeoffCurve, parameter: str) -> str:
    """A label such as "β, the weight of kl"."""
    symbol = curve.info.get("symbols", {}).get(parameter)
    meaning = f"weight of {parameter}" if parameter in curve.terms else parameter
    return f"{symbol}, the {meaning}" if symbol and meaning != parameter else str(symbol or meaning)


def two_terms(curve: TradeoffCurve, x: str | None, y: str | None) -> tuple[str, str]:
    """The terms on the two axes: by default the second across and the first upwards."""
    names = [*curve.terms, *curve.metrics]
    if len(names) < 2:
        names = [*names, "loss"]
    return x or names[1], y or names[0]


def sweep_figure(curve: TradeoffCurve, *, x: str | None = None, y: str | None = None, dark: bool = False) -> Figure:
    """One model's curve: two of its terms against each other, and every term along the parameter.

    Args:
        curve: What to draw.
        x, y: Terms or metrics across and upwards; by default the second and the first term.
        dark: For a dark page.

    Raises:
        YotoError: If a name is unknown.
    """
    theme = DARK if dark else LIGHT
    x, y = two_terms(curve, x, y)
    curve = curve.ordered()
    across, upwards = curve.series(x), curve.series(y)
    drawn = canvas(theme, 10.5, max(4.4, 1.9 * len(curve.terms)))
    parts = drawn.add_gridspec(len(curve.terms), 2, width_ratios=(1.15, 1))
    main = drawn.add_subplot(parts[:, 0])
    dress(main, theme)
    if curve.parameter is not None:
        main.plot(across, upwards, color=theme.series[0], linewidth=1.6, zorder=2)
    main.scatter(across, upwards, s=28, color=theme.series[0], zorder=3)
    label_points(main, theme, x, y, curve, sorted({0, len(curve) // 2, len(curve) - 1}))
    main.set(xlabel=with_unit(curve, x), ylabel=with_unit(curve, y))
    main.margins(0.09)
    heading(main, theme, "Trade-off")
    for row, (name, (colour, marker)) in enumerate(zip(curve.terms, colours(theme), strict=False)):
        axes = drawn.add_subplot(parts[row, 1])
        dress(axes, theme)
        along(axes, curve, name, colour, marker, last=row == len(curve.terms) - 1)
        heading(axes, theme, with_unit(curve, name))
    return drawn


def places(curve: TradeoffCurve) -> tuple[list[float], bool]:
    """Where the points stand: at their value with one parameter, else at their number; and if that is in logs."""
    if curve.parameter is None:
        return [float(index) for index in range(len(curve))], False
    values = list(curve.values(curve.parameter))
    return values, logarithmic(values)


def along(axes: Axes, curve: TradeoffCurve, name: str, colour: str, marker: str, *, last: bool) -> None:
    """One term along the parameter, or point by point, with two standard errors where known."""
    values, log = places(curve)
    column = np.array(curve.series(name))
    errors = 2 * np.array(curve.errors.get(name, [0.0] * len(curve)))
    axes.fill_between(values, column - errors, column + errors, color=colour, alpha=0.25, linewidth=0)
    axes.plot(
        values, column, color=colour, marker=marker, markersize=4, linewidth=0 if curve.parameter is None else 1.6
    )
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    if last:
        axes.set_xlabel("point" if curve.parameter is None else parameter_label(curve, curve.parameter))
    else:
        axes.tick_params(labelbottom=False)


def label_points(axes: Axes, theme: Theme, x: str, y: str, curve: TradeoffCurve, indices: Sequence[int]) -> None:
    """Write the parameters beside some points, on the side where a trade-off curve leaves room."""
    across, upwards = curve.series(x), curve.series(y)
    start, width = min(across), max(across) - min(across) or 1.0
    for index in indices:
        room = (across[index] - start) / width > 0.08
        axes.annotate(
            curve.label(index),
            (across[index], upwards[index]),
            xytext=(-7, -7) if room else (10, 3),
            textcoords="offset points",
            horizontalalignment="right" if room else "left",
            verticalalignment="top" if room else "bottom",
            size=9,
            color=theme.ink,
            path_effects=halo(theme),
            zorder=6,
        )


def tradeoff_figure(
    comparison: Comparison, *, x: str | None = None, y: str | None = None, dark: bool = False
) -> Figure:
    """Curves of the conditional models, one line per seed, and the fixed models as labelled crosses."""
    theme = DARK if dark else LIGHT
    drawn, axes = figure(theme, 7.6, 4.9)
    x, y = two_terms(comparison.fixed[0], x, y)
    for contender, (colour, _) in zip(comparison.contenders, colours(theme), strict=False):
        for number, curve in enumerate(contender.curves):
            ordered = curve.ordered()
            line = ordered.parameter is not None
            axes.plot(
                ordered.series(x),
                ordered.series(y),
                color=colour,
                linestyle="-" if line else "",
                marker="." if line else "o",
                markersize=5,
                linewidth=1.7,
                alpha=0.9,
                label=contender.label if number == 0 else None,
                zorder=3,
            )
    for number, curve in enumerate(comparison.fixed):
        axes.scatter(
            curve.series(x),
            curve.series(y),
            marker="x",
            s=64,
            linewidths=2,
            color=theme.ink,
            label=f"trained for one {one_name(comparison)} alone" if number == 0 else None,
            zorder=5,
        )
    first = comparison.fixed[0]
    label_points(axes, theme, x, y, first, range(len(first)))
    axes.set(xlabel=with_unit(first, x), ylabel=with_unit(first, y))
    axes.margins(0.09)
    legend(axes, theme)
    return drawn


def regret_figure(comparison: Comparison, *, dark: bool = False) -> Figure:
    """Regret at each point: the mean over the seeds as a marker, lowest to highest as a bar."""
    theme = DARK if dark else LIGHT
    drawn, axes = figure(theme, 7.6, 4.3)
    measure = comparison.measure
    values, log = places(comparison.fixed[0])
    percent = measure != "difference"
    count = len(comparison.contenders)
    means: list[np.ndarray] = []
    for number, (contender, summary, (colour, marker)) in enumerate(
        zip(comparison.contenders, comparison.summaries, colours(theme), strict=False)
    ):
        spreads = summary.points[measure]
        mean, low, high = (np.array([getattr(spread, name) for spread in spreads]) for name in ("mean", "low", "high"))
        if percent:
            mean, low, high = (100 * (column - 1) for column in (mean, low, high))
        means.append(mean)
        at = aside(np.array(values), number - (count - 1) / 2, log=log)
        axes.vlines(at, low, high, color=colour, linewidth=2, alpha=0.55)
        axes.plot(at, mean, color=colour, linewidth=1, alpha=0.5)
        axes.plot(at, mean, color=colour, marker=marker, markersize=6, linestyle="", label=contender.label)
    axes.axhline(0, color=theme.ink, linewidth=1.4, linestyle=(0, (4, 3)))
    right, below = calm_place(np.array(means))
    axes.annotate(
        f"as good as a model trained for this {one_name(comparison)} alone",
        (0.995 if right else 0.005, 0),
        xycoords=("axes fraction", "data"),
        xytext=(0, -4 if below else 4),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top" if below else "bottom",
        size=8.5,
        color=theme.faint,
        path_effects=halo(theme),
    )
    place_ticks(axes, comparison, values, log=log)
    unit = "%" if percent else comparison.unit
    trained = f"compared with a model\ntrained for that {one_name(comparison)} alone"
    axes.set_ylabel(f"{REGRET[measure]}, {trained}" + (f" ({unit})" if unit else ""))
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+g}" if abs(value) > 1e-9 else "0")
    legend(axes, theme)
    return drawn


def calm_place(means: np.ndarray) -> tuple[bool, bool]:
    """Where a note at the zero line hides fewest markers, of values [models, points]: at the right? below the line?"""
    band = 0.1 * (max(float(means.max()), 0.0) - min(float(means.min()), 0.0))
    half = (means.shape[1] - 1) / 2
    index = np.arange(means.shape[1])

    def hidden(place: tuple[bool, bool]) -> int:
        right, below = place
        there = means[:, index >= half] if right else means[:, index <= half]
        return int(((there <= 0) & (there > -band) if below else (there >= 0) & (there < band)).sum())

    return min(((True, True), (True, False), (False, True), (False, False)), key=hidden)


def aside(values: np.ndarray, offset: float, *, log: bool) -> np.ndarray:
    """Positions moved a little, so that the markers of several models do not hide each other."""
    base = np.log(values) if log else values
    gap = np.diff(np.unique(base)).min() if len(np.unique(base)) > 1 else 1.0
    moved = base + 0.09 * gap * offset
    return np.asarray(np.exp(moved) if log else moved)


def place_ticks(axes: Axes, comparison: Comparison, values: Sequence[float], *, log: bool) -> None:
    """Ticks at the compared points and the axis's name."""
    curve = comparison.fixed[0]
    if log:
        axes.set_xscale("log")
    if curve.parameter is not None:
        ticks_at(axes, values)
        axes.set_xlabel(parameter_label(curve, curve.parameter))
    else:
        axes.set_xticks(values, [label.replace(", ", "\n") for label in labels(comparison)])


def samples_figure(rows: Mapping[str, Mapping[str, np.ndarray]], *, dark: bool = False) -> Figure:
    """Pictures in rows (models) and columns (points), with their names.

    Args:
        rows: uint8 [H, W, 3] by column title, by row title; every row has the same columns.
        dark: For a dark page.

    Raises:
        YotoError: If there is no picture.
    """
    pictures = [picture for row in rows.values() for picture in row.values()]
    if not pictures:
        raise YotoError("`rows` should hold at least one picture. Found none.")
    theme = DARK if dark else LIGHT
    columns = max(len(row) for row in rows.values())
    height, width = pictures[0].shape[:2]
    tile = min(4.2, 12.0 / columns)
    drawn = canvas(theme, columns * tile, len(rows) * (tile * height / width + 0.35) + 0.1)
    grid = drawn.subplots(len(rows), columns, squeeze=False)
    for axes_row, (label, row) in zip(grid, rows.items(), strict=True):
        for place, axes in enumerate(axes_row):
            axes.set_axis_off()
            if place < len(row):
                title, picture = list(row.items())[place]
                axes.imshow(picture, interpolation="nearest" if height < 300 else "auto")
                text = f"{label}, {title}" if len(rows) > 1 else title
                axes.set_title(text, size=9.5, color=theme.ink, loc="left", pad=4)
    return drawn
