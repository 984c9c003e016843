"""Figures of lines and points. They need no display and touch no state of matplotlib's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yoto.drawing.theme import DARK, LIGHT, canvas, colours, dress, halo, heading
from yoto.support.files import atomic

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from yoto.drawing.columns import Column, Places
    from yoto.drawing.theme import Theme


def save_figure(drawn: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a whole; the suffix chooses the format."""
    with atomic(path) as temporary:
        drawn.savefig(temporary, facecolor=drawn.get_facecolor())


def curve_figure(
    across: Column,
    upwards: Column,
    along: Sequence[Column],
    places: Places,
    labels: Mapping[int, str],
    *,
    dark: bool = False,
) -> Figure:
    """Two columns against each other, and beside it every one of `along` over the places of the points.

    Args:
        across, upwards: The columns on the two axes.
        along: At least one column, each with axes of its own.
        places: Where the points stand on those.
        labels: What is written beside some points, by their number.
        dark: For a dark page.
    """
    theme = DARK if dark else LIGHT
    drawn = canvas(theme, 10.5, max(4.4, 1.9 * len(along)))
    parts = drawn.add_gridspec(len(along), 2, width_ratios=(1.15, 1))
    main = drawn.add_subplot(parts[:, 0])
    dress(main, theme)
    if places.joined:
        main.plot(across.values, upwards.values, color=theme.series[0], linewidth=1.6, zorder=2)
    main.scatter(across.values, upwards.values, s=28, color=theme.series[0], zorder=3)
    label_points(main, theme, across.values, upwards.values, labels)
    main.set(xlabel=across.label, ylabel=upwards.label)
    main.margins(0.09)
    heading(main, theme, "Trade-off")
    for row, (column, (colour, marker)) in enumerate(zip(along, colours(theme), strict=False)):
        axes = drawn.add_subplot(parts[row, 1])
        dress(axes, theme)
        draw_along(axes, column, places, colour, marker, last=row == len(along) - 1)
        heading(axes, theme, column.label)
    return drawn


def draw_along(axes: Axes, column: Column, places: Places, colour: str, marker: str, *, last: bool) -> None:
    """One column over the places of its points, with two standard errors where known."""
    values = np.array(column.values)
    errors = 2 * np.array(column.errors or [0.0] * len(values))
    axes.fill_between(places.values, values - errors, values + errors, color=colour, alpha=0.25, linewidth=0)
    width = 1.6 if places.joined else 0
    axes.plot(places.values, values, color=colour, marker=marker, markersize=4, linewidth=width)
    if places.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    if last:
        axes.set_xlabel(places.label)
    else:
        axes.tick_params(labelbottom=False)


def label_points(
    axes: Axes, theme: Theme, across: Sequence[float], upwards: Sequence[float], labels: Mapping[int, str]
) -> None:
    """Write labels beside points, by their number, on the side where a trade-off curve leaves room."""
    start, width = min(across), max(across) - min(across) or 1.0
    for index, label in labels.items():
        room = (across[index] - start) / width > 0.08
        axes.annotate(
            label,
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


def aside(values: np.ndarray, offset: float, *, log: bool) -> np.ndarray:
    """Positions moved a little, so that the markers of several models do not hide each other."""
    base = np.log(values) if log else values
    gap = np.diff(np.unique(base)).min() if len(np.unique(base)) > 1 else 1.0
    moved = base + 0.09 * gap * offset
    return np.asarray(np.exp(moved) if log else moved)
