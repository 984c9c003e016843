"""Colours and proportions of the figures, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yoto.support.extras import needed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours of one figure. The series are told apart under the common kinds of colour blindness too.

    Attributes:
        paper, ink, faint, grid: Background, text, secondary text and grid lines.
        series: Colours of the models, in their order.
    """

    paper: str
    ink: str
    faint: str
    grid: str
    series: tuple[str, ...]


LIGHT = Theme(
    paper="#ffffff",
    ink="#1c2330",
    faint="#5b6573",
    grid="#e3e7ec",
    series=("#0a66c2", "#d1570b", "#0b8a6a", "#a2357f", "#7a6a00", "#5a4fcf"),
)
DARK = Theme(
    paper="#151a21",
    ink="#e8ecf1",
    faint="#9aa5b3",
    grid="#2b333d",
    series=("#62b0ff", "#ff9a57", "#4fd1ac", "#ea86c6", "#d9c64a", "#a9a2ff"),
)
MARKERS = ("o", "s", "^", "D", "v", "P")
RESOLUTION = 160


def canvas(theme: Theme, width: float, height: float) -> Figure:
    """An empty figure, in inches, that belongs to no window system."""
    with needed("A figure"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=RESOLUTION, facecolor=theme.paper, layout="constrained")
    FigureCanvasAgg(made)
    return made


def figure(theme: Theme, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    made = canvas(theme, width, height)
    axes = made.add_subplot()
    dress(axes, theme)
    return made, axes


def dress(axes: Axes, theme: Theme) -> None:
    """Quiet axes: no box, a light grid, readable labels."""
    axes.set_facecolor(theme.paper)
    axes.grid(True, color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
    axes.tick_params(which="both", colors=theme.faint, labelsize=9, length=3)
    axes.xaxis.label.set(color=theme.ink, size=10)
    axes.yaxis.label.set(color=theme.ink, size=10)


def heading(axes: Axes, theme: Theme, text: str) -> None:
    """A title at the left."""
    axes.set_title(text, color=theme.ink, fontsize=10.5, fontweight="bold", loc="left")


def legend(axes: Axes, theme: Theme, **options: Any) -> None:
    """A legend without a box."""
    axes.legend(frameon=False, labelcolor=theme.ink, fontsize=9, **options)


def halo(theme: Theme) -> list[Any]:
    """Path effects that keep text readable on top of lines."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground=theme.paper)]


def logarithmic(values: Sequence[float]) -> bool:
    """Whether an axis of these values is better logarithmic: positive, over a decade or more."""
    return min(values) > 0 and max(values) / min(values) >= 10


def ticks_at(axes: Axes, values: Sequence[float]) -> None:
    """Ticks on the horizontal axis at just these values, written plainly."""
    shown = sorted({float(f"{value:.4g}") for value in values})
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.set_xticks([], minor=True)


def colours(theme: Theme) -> Iterator[tuple[str, str]]:
    """Colour and marker of one model after the other, repeating at the end."""
    while True:
        yield from zip(theme.series, MARKERS, strict=True)
