"""Figures of several weights: triangles for weights of three terms that sum to 1, and space for three columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from yoto.drawing.theme import DARK, LIGHT, canvas, heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from yoto.drawing.columns import Column
    from yoto.drawing.theme import Theme

HEIGHT = math.sqrt(3) / 2
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, HEIGHT]])
"""Of the triangle: where the first, the second and the third weight is 1."""


def flat(weights: Sequence[Sequence[float]]) -> np.ndarray:
    """Places [m, 2] in the triangle of weights [m, 3], which are brought to the sum 1."""
    rows = np.asarray(weights, float)
    return cast(np.ndarray, rows / rows.sum(axis=1, keepdims=True) @ CORNERS)


def ternary_figure(
    names: Sequence[str], weights: Sequence[Sequence[float]], columns: Sequence[Column], *, dark: bool = False
) -> Figure:
    """A triangle per column, coloured by its value at each point; the corners are where one weight is all.

    Args:
        names: Of the three weights.
        weights: Of m points, [m, 3].
        columns: What is drawn, at least one.
        dark: For a dark page.
    """
    theme = DARK if dark else LIGHT
    across = 2 if len(columns) == 4 else min(3, len(columns))
    rows = math.ceil(len(columns) / across)
    drawn = canvas(theme, 4.1 * across, 3.9 * rows)
    places = flat(weights)
    for number, column in enumerate(columns):
        axes = drawn.add_subplot(rows, across, number + 1)
        triangle(axes, theme, names)
        shown = fill(axes, places, column)
        bar = drawn.colorbar(shown, ax=axes, shrink=0.75)
        bar.ax.tick_params(colors=theme.faint, labelsize=8)
        bar.outline.set_visible(False)
        heading(axes, theme, column.label)
    return drawn


def triangle(axes: Axes, theme: Theme, names: Sequence[str]) -> None:
    """The frame, with the names at its corners."""
    axes.set_facecolor(theme.paper)
    closed = np.vstack([CORNERS, CORNERS[:1]])
    axes.plot(closed[:, 0], closed[:, 1], color=theme.faint, linewidth=0.9, zorder=1)
    for name, (x, y), side in zip(names, CORNERS, ("left", "right", "center"), strict=True):
        above = y > 0
        axes.annotate(
            name,
            (x, y),
            xytext=(0, 4 if above else -4),
            textcoords="offset points",
            horizontalalignment=side,
            verticalalignment="bottom" if above else "top",
            size=9,
            color=theme.ink,
        )
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.12, HEIGHT + 0.12)
    axes.set_aspect("equal")
    axes.set_axis_off()


def fill(axes: Axes, places: np.ndarray, column: Column) -> Any:
    """The points coloured by value, on a field of colour where they span an area; what a colour bar is of."""
    values = np.asarray(column.values, float)
    span = np.linalg.matrix_rank(places - places.mean(axis=0), tol=1e-6)
    limits = {"vmin": values.min(), "vmax": values.max() if values.max() > values.min() else values.min() + 1}
    if len(places) >= 3 and span == 2:
        axes.tripcolor(places[:, 0], places[:, 1], values, shading="gouraud", cmap="viridis", zorder=0, **limits)
    x, y = places.T
    return axes.scatter(x, y, c=values, s=24, cmap="viridis", edgecolors="white", linewidths=0.6, zorder=3, **limits)


def space_figure(x: Column, y: Column, z: Column, *, dark: bool = False) -> Figure:
    """Three columns against each other, in space, with the shadow of each point on the floor."""
    theme = DARK if dark else LIGHT
    drawn = canvas(theme, 6.4, 5.8)
    axes: Any = drawn.add_subplot(projection="3d")
    axes.set_facecolor(theme.paper)
    floor = min(z.values) - 0.08 * ((max(z.values) - min(z.values)) or 1.0)
    for across, upwards, height in zip(x.values, y.values, z.values, strict=True):
        axes.plot([across, across], [upwards, upwards], [floor, height], color=theme.grid, linewidth=0.8)
    axes.scatter(x.values, y.values, z.values, c=z.values, cmap="viridis", s=30, depthshade=False)
    for axis, column in ((axes.xaxis, x), (axes.yaxis, y), (axes.zaxis, z)):
        axis.set_pane_color((0, 0, 0, 0))
        axis.label.set_color(theme.ink)
        axis.set_tick_params(colors=theme.faint, labelsize=8)
        axis.set_label_text(column.label)
    axes.set_zlim(bottom=floor)
    heading(axes, theme, "Trade-off")
    return drawn
