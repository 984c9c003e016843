"""Figures of comparisons. They need no display and touch no state of matplotlib's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yoto.curves.plots import places as curve_places
from yoto.curves.plots import two_terms
from yoto.drawing.lines import aside, label_points
from yoto.drawing.theme import DARK, LIGHT, canvas, colours, figure, halo, legend, ticks_at
from yoto.errors import YotoError
from yoto.report.summary import labels, one_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from yoto.curves.parity import Comparison
    from yoto.drawing.columns import Places

REGRET = {"excess": "loss above the floor", "ratio": "loss", "difference": "loss"}


def tradeoff_figure(
    comparison: Comparison, *, x: str | None = None, y: str | None = None, dark: bool = False
) -> Figure:
    """Curves of the conditional models, one line per seed, and the references as labelled crosses."""
    theme = DARK if dark else LIGHT
    drawn, axes = figure(theme, 7.6, 4.9)
    first = comparison.references[0]
    x, y = two_terms(first, (x, y, None))
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
    for number, curve in enumerate(comparison.references):
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
    across, upwards = first.column(x), first.column(y)
    axes.set(xlabel=across.label, ylabel=upwards.label)
    axes.margins(0.09)
    label_points(axes, theme, across.values, upwards.values, dict(enumerate(labels(comparison))))
    legend(axes, theme)
    return drawn


def regret_figure(comparison: Comparison, *, dark: bool = False) -> Figure:
    """Regret at each point: the mean over the seeds as a marker, lowest to highest as a bar."""
    theme = DARK if dark else LIGHT
    drawn, axes = figure(theme, 7.6, 4.3)
    measure = comparison.measure
    places = curve_places(comparison.references[0])
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
        at = aside(np.array(places.values), number - (count - 1) / 2, log=places.log)
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
    place_ticks(axes, places, labels(comparison))
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


def place_ticks(axes: Axes, places: Places, names: Sequence[str]) -> None:
    """Ticks at the compared points: the axis's name, or the names of the points."""
    if places.log:
        axes.set_xscale("log")
    if places.joined:
        ticks_at(axes, places.values)
        axes.set_xlabel(places.label)
    else:
        axes.set_xticks(places.values, [name.replace(", ", "\n") for name in names])


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
