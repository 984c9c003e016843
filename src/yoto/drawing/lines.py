"""Figures of lines and points. They need no display and touch no state of matplotlib's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yoto.drawing.theme import DARK, LIGHT, canvas, colours, dress, halo, heading
from yoto.support.files import atomic

LABEL = 9
"""Size of the labels of points, in points."""
CHARACTER = 0.6 * LABEL

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
    main.set(xlabel=across.label, ylabel=upwards.label)
    main.margins(0.09)
    label_points(main, theme, across.values, upwards.values, labels)
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
    """Write labels beside points, by their number: inside the axes, on the side where a trade-off curve leaves room.

    What is drawn, and its margins, should be there by then: the limits of the axes say how much room there is.
    """
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    start, width = min(across), max(across) - min(across) or 1.0
    for index, label in labels.items():
        place = (across[index] - low) / (high - low), (upwards[index] - bottom) / (top - bottom)
        later = (across[index] - start) / width > 0.08  # at its start a curve leaves room above, elsewhere below
        left, below, text = side_of(axes, *place, later, label)
        axes.annotate(
            text,
            (across[index], upwards[index]),
            xytext=(-7 if left else 10, -7 if below else 3),
            textcoords="offset points",
            horizontalalignment="right" if left else "left",
            verticalalignment="top" if below else "bottom",
            size=LABEL,
            color=theme.ink,
            path_effects=halo(theme),
            zorder=6,
        )


def side_of(axes: Axes, x: float, y: float, wanted: bool, label: str) -> tuple[bool, bool, str]:
    """Whether a label goes to the left of its point, at (x, y) of the axes in [0, 1]², and below it; its text in lines.

    Both as `wanted` where there is room. Of its width an estimate is enough: a character takes 0.6 of the font's size.
    """
    box, whole = axes.get_position(), axes.get_figure(root=True)
    assert whole is not None
    width, height = 72 * box.width * whole.get_figwidth(), 72 * box.height * whole.get_figheight()
    room = {True: x * width - 7, False: (1 - x) * width - 10}
    if len(label) * CHARACTER > room[wanted]:
        label = label.replace(", ", ",\n")
    lines = label.splitlines()
    wide, tall = max(map(len, lines)) * CHARACTER, len(lines) * 1.25 * LABEL + 7
    left = wanted if room[wanted] >= wide else max(room, key=lambda side: room[side])
    below = wanted if left == wanted else y > 0.5
    return left, below if (y if below else 1 - y) * height >= tall else not below, label


def aside(values: np.ndarray, offset: float, *, log: bool) -> np.ndarray:
    """Positions moved a little, so that the markers of several models do not hide each other."""
    base = np.log(values) if log else values
    gap = np.diff(np.unique(base)).min() if len(np.unique(base)) > 1 else 1.0
    moved = base + 0.09 * gap * offset
    return np.asarray(np.exp(moved) if log else moved)
