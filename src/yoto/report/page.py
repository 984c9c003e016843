"""The report of a comparison as one HTML page that asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from yoto.report import summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yoto.curves.parity import Comparison

FULL_HEAT = 0.15
"""Relative regret that takes the full colour."""


@dataclass(frozen=True)
class Image:
    """A figure as PNG for light and for dark display, and its size in inches."""

    light: bytes
    dark: bytes
    inches: tuple[float, float]


def page(comparison: Comparison, images: Mapping[str, Image], shown: Sequence[str] = ()) -> str:
    """The page as HTML.

    Args:
        comparison: All numbers.
        images: "tradeoff", "regret" and, if there are pictures, "samples".
        shown: Titles of the pictures in "samples".
    """
    one = escape(summary.one_name(comparison))
    sections = [
        f"<h1>{escape(comparison.title)}</h1>",
        f'<p class="lead">{prose(summary.purpose(comparison))}</p>',
        cards(comparison),
        "<h2>What the one network gives up</h2>",
        f"<p>Each figure is the {prose(summary.measure_text(comparison))}. Mean over the seeds.</p>",
        regret_table(comparison),
        embedded(
            images["regret"],
            f"Regret at each {summary.one_name(comparison)}. {summary.headline(comparison)}",
        ),
        "<h2>The trade-off</h2>",
        (
            f"<p>Every line is one network that was asked for different {one}; every cross is a network of its own. "
            "Lines that run through the crosses have lost nothing; further down and to the left is better.</p>"
        ),
        embedded(
            images["tradeoff"],
            f"Trade-off curves of the conditional models beside {len(comparison.points)} crosses, the models "
            f"trained for one {summary.one_name(comparison)} alone.",
        ),
        *samples_section(images.get("samples"), shown),
        "<h2>What it cost</h2>",
        html_table(*summary.cost_rows(comparison)),
        f"<p>Per seed. {escape(summary.spent_text(comparison))}</p>",
        "<h2>All losses</h2>",
        f"<p>{escape(summary.losses_text(comparison))}</p>",
        html_table(*summary.loss_rows(comparison)),
        *(f"<p>{prose(remark)}</p>" for remark in summary.remarks(comparison)),
        glossary(comparison),
        details(comparison),
    ]
    template = (files("yoto") / "report" / "page.html").read_text("utf-8")
    head, tail = template.split("{{body}}")
    return head.replace("{{title}}", escape(comparison.title)) + "\n".join(sections) + tail


def prose(text: str) -> str:
    """Text for HTML in which "β = 0.5" and "5 %" do not break over lines."""
    return escape(text).replace(" = ", "&nbsp;=&nbsp;").replace(" %", "&nbsp;%")


def cards(comparison: Comparison) -> str:
    """The headline number of each contender."""
    measure = comparison.measure
    made = []
    for contender, figures in zip(comparison.contenders, comparison.summaries, strict=True):
        value = figures.mean[measure].mean
        shown = f"{100 * (value - 1):+.1f} %" if measure != "difference" else f"{value:+.3g} {comparison.unit}"
        worst = comparison.references[0].label(figures.worst)
        there = summary.number(measure, figures.points[measure][figures.worst].mean)
        note = f"at worst {there} at {worst}"
        if len(comparison.seeds) > 1:
            note = f"{summary.spread_text(measure, figures.mean[measure])} over the seeds; {note}"
        made.append(
            f'<div class="card"><div class="name">{escape(contender.label)}</div>'
            f'<div class="figure">{prose(shown)}</div><div class="note">{prose(note)}</div></div>'
        )
    what = {"excess": "loss above the floor", "ratio": "loss", "difference": "loss"}[measure]
    alone = f"compared with models trained for one {summary.one_name(comparison)} alone"
    caption = f"{what} {alone}, {summary.mean_name(measure)}".capitalize()
    return f'<p class="caption">{escape(caption)}</p><div class="cards">{"".join(made)}</div>'


def regret_table(comparison: Comparison) -> str:
    """The regret table; the colour of a cell repeats its number."""
    titles, rows = summary.regret_rows(comparison)
    measure = comparison.measure
    values = [[spread.mean for spread in figures.points[measure]] for figures in comparison.summaries]
    if measure == "difference":
        full = max((abs(value) for row in values for value in row), default=0.0) or 1.0
        heats = [[value / full for value in row] for row in values]
    else:
        heats = [[(value - 1) / FULL_HEAT for value in row] for row in values]
    return html_table(titles, rows, heats)


def html_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], heats: Sequence[Sequence[float]] | None = None
) -> str:
    """A table whose first column names its rows; `heats` in [0, 1] colour the columns after the first."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = []
    for number, row in enumerate(rows):
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        for column, text in enumerate(row[1:]):
            heat = heats[number][column] if heats is not None and column < len(heats[number]) else None
            style = "" if heat is None else f' class="heat" style="--heat:{100 * min(1.0, max(0.0, heat)):.0f}%"'
            cells.append(f"<td{style}>{escape(text)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def data_url(png: bytes) -> str:
    """A PNG that is part of the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def embedded(image: Image, description: str) -> str:
    """A figure in its light and its dark form."""
    width, height = (round(side * 96) for side in image.inches)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{data_url(image.dark)}">'
        f'<img src="{data_url(image.light)}" width="{width}" height="{height}" alt="{escape(description)}"></picture>'
    )


def samples_section(image: Image | None, shown: Sequence[str]) -> list[str]:
    """Pictures of what the models do, where the task makes any."""
    if image is None:
        return []
    titles = ", ".join(shown)
    return [
        "<h2>What the networks do</h2>",
        f"<p>The same examples and the same random numbers in every picture, at {prose(titles)}.</p>",
        embedded(image, f"What the conditional model and the models trained for one alone do at {titles}."),
    ]


def glossary(comparison: Comparison) -> str:
    """The words of the page."""
    one = summary.one_name(comparison)
    words = {
        one: "The setting that chooses a trade-off between the parts of the loss."
        if comparison.references[0].parameter is None
        else f"The parameter of the loss that chooses the trade-off ({comparison.references[0].parameter}).",
        "conditional model": "One network that is told the setting and was trained on all of them at once.",
        "trained for one alone": "An ordinary network, trained the usual way for one setting. It is the yardstick: "
        "the same network and optimiser, and the steps given in the cost table.",
        "seed": "The number that all randomness of a run is drawn from. Two seeds show how much is chance.",
        "geometric mean": "The mean for ratios: no single setting can hide the others.",
    }
    if comparison.floor is not None:
        value = f"{comparison.floor:.2f} {comparison.unit}".rstrip()
        words["floor"] = (
            f"{value}: no model can have a lower loss, as this part of it is noise in the data. Ratios are taken "
            "above it, since it would make every model look alike."
        )
    rows = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in words.items())
    return f"<h2>Words</h2><dl>{rows}</dl>"


def details(comparison: Comparison) -> str:
    """Everything that is needed to repeat it."""
    info = {
        "seeds": list(comparison.seeds),
        **{key: value for key, value in comparison.info.items() if key not in ("units", "symbols")},
    }
    parts = [
        ("Data, machine and versions", json.dumps(info, indent=2, ensure_ascii=False)),
        *(
            (f"Recipe: {name}", json.dumps(recipe, indent=2, ensure_ascii=False))
            for name, recipe in comparison.recipes.items()
        ),
    ]
    return "<h2>To repeat it</h2>" + "".join(
        f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>" for title, text in parts
    )
