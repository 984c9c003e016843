"""Reports: the files that `yoto sweep` and `yoto compare` leave behind."""

from __future__ import annotations

import io
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from yoto.drawing.tables import csv_text, markdown
from yoto.report import summary
from yoto.report.files import write_report
from yoto.support.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure

    from yoto.curves.curve import TradeoffCurve
    from yoto.curves.parity import Comparison
    from yoto.report.page import Image

    Pictures = Mapping[str, Mapping[str, np.ndarray]]


def report_sweep(curve: TradeoffCurve, out: str | Path) -> list[Path]:
    """Write curve.csv, curve.json and curve.png to the folder `out` and return their paths."""
    from yoto.drawing.lines import save_figure

    figure = partial(save_figure, curve.plot())
    return write_report(out, {"curve.csv": curve.to_csv, "curve.json": curve.to_json, "curve.png": figure})


def report_comparison(comparison: Comparison, out: str | Path, pictures: Pictures | None = None) -> list[Path]:
    """Write table.csv, report.json, report.md, report.html and their figures to the folder `out`.

    Args:
        comparison: All numbers.
        out: The folder; files of an earlier report are replaced.
        pictures: Of what the models do: uint8 [H, W, 3] by point, by model.

    Returns:
        Their paths, report.html first.
    """
    from yoto.report.page import page
    from yoto.report.plots import regret_figure, samples_figure, tradeoff_figure

    images = {
        "tradeoff": both(partial(tradeoff_figure, comparison)),
        "regret": both(partial(regret_figure, comparison)),
    }
    if pictures:
        images["samples"] = both(partial(samples_figure, pictures))
    shown = list(dict.fromkeys(title for row in (pictures or {}).values() for title in row))
    values = json.dumps(comparison.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    contents = {
        "report.html": page(comparison, images, shown),
        "report.md": markdown_report(comparison, samples=bool(pictures)),
        "report.json": values + "\n",
        "table.csv": csv_text(table_rows(comparison)),
    }
    return write_report(out, {**contents, **{f"{name}.png": image.light for name, image in images.items()}})


def both(draw: Callable[..., Figure]) -> Image:
    """A figure, drawn for light and for dark display."""
    from yoto.report.page import Image

    light, dark = draw(dark=False), draw(dark=True)
    width, height = map(float, light.get_size_inches())
    return Image(light=png(light), dark=png(dark), inches=(width, height))


def png(drawn: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", facecolor=drawn.get_facecolor())
    return buffer.getvalue()


def table_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per model, seed and point: terms, loss, and for the conditional models their regret."""
    rows: list[dict[str, Any]] = []
    for seed, curve, costs in zip(comparison.seeds, comparison.references, comparison.reference_costs, strict=True):
        for index, (point, cost) in enumerate(zip(curve.points, costs, strict=True)):
            terms = {name: column[index] for name, column in curve.terms.items()}
            rows.append(
                {"model": "fixed", "seed": seed}
                | {f"point.{name}": value for name, value in point.items()}
                | {f"term.{name}": value for name, value in terms.items()}
                | {"loss": curve.loss[index], "steps": cost.steps, "cpu_seconds": cost.cpu_seconds}
            )
    for contender, figures in zip(comparison.contenders, comparison.summaries, strict=True):
        runs = zip(comparison.seeds, contender.curves, figures.regrets, contender.costs, strict=True)
        for seed, whole, regret, cost in runs:
            curve = whole.at(comparison.points)
            for index, point in enumerate(curve.points):
                excess = regret.excess_ratio
                terms = {name: column[index] for name, column in curve.terms.items()}
                rows.append(
                    {"model": contender.name, "seed": seed}
                    | {f"point.{name}": value for name, value in point.items()}
                    | {f"term.{name}": value for name, value in terms.items()}
                    | {"loss": curve.loss[index], "steps": cost.steps, "cpu_seconds": cost.cpu_seconds}
                    | {"difference": regret.difference[index], "ratio": regret.ratio[index]}
                    | {"excess_ratio": None if excess is None else excess[index]}
                )
    return rows


def comparison_text(comparison: Comparison) -> str:
    """The regret and cost tables for a terminal."""
    return "\n".join(
        [
            f"{comparison.title}: one conditional model against {len(comparison.points)} separately trained ones",
            summary.settings(comparison),
            "",
            summary.measure_text(comparison),
            ruled(*summary.regret_rows(comparison)),
            "",
            "cost per seed",
            ruled(*summary.cost_rows(comparison)),
            summary.spent_text(comparison),
            *summary.remarks(comparison),
        ]
    )


def ruled(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal, its first column to the left and all others to the right."""
    return aligned(titles, rows, right=[index > 0 for index in range(len(titles))], rule=True)


def markdown_report(comparison: Comparison, *, samples: bool) -> str:
    """The whole report as Markdown that refers to the figures beside it."""
    one = summary.one_name(comparison)
    parts = [
        f"# {comparison.title}",
        summary.purpose(comparison),
        summary.settings(comparison)[0].upper() + summary.settings(comparison)[1:] + ".",
        "## Regret",
        f"Each figure is the {summary.measure_text(comparison)}. Mean over the seeds.",
        markdown(*summary.regret_rows(comparison)),
        f"![Regret of each conditional model at each {one}](regret.png)",
        "## Trade-off",
        f"![Trade-off curves of the conditional models and the models trained for one {one} alone](tradeoff.png)",
        "## Losses",
        summary.losses_text(comparison),
        markdown(*summary.loss_rows(comparison)),
        *(f"- {remark}" for remark in summary.remarks(comparison)),
        "## Cost per seed",
        markdown(*summary.cost_rows(comparison)),
        summary.spent_text(comparison),
        *(["## Samples", "![What the models do at three points](samples.png)"] if samples else []),
    ]
    return "\n\n".join(parts) + "\n"
