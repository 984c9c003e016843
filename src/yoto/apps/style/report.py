"""What `yoto sweep` leaves of a style model: every picture's losses, a summary, and a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.apps.style.painting.sheets import SLIDERS
from yoto.apps.style.sliders import Evaluation, against_blending, means, own_loss, spearman
from yoto.drawing.lines import save_figure
from yoto.drawing.tables import csv_text, markdown
from yoto.drawing.theme import LIGHT, canvas, colours, dress, heading, legend
from yoto.support.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of a model, JSON-able."""
    sliders = {}
    for slider in SLIDERS:
        own = means(evaluation, slider, lambda row: row.losses[own_loss(row.slider)])
        sliders[slider] = {
            "loss": own_loss(slider),
            "positions": means(evaluation, slider, lambda row: row.position),
            "own_loss": own,
            "content": means(evaluation, slider, lambda row: row.losses["content"]),
            "spearman": spearman(evaluation, slider),
            "moved": means(evaluation, slider, lambda row: row.moved)[-1],
        }
    change = means(evaluation, "strength", lambda row: row.change)
    result: dict[str, Any] = {**evaluation.info, "sliders": sliders, "change": change}
    if any("judge_style" in row.losses for row in evaluation.rows):
        result["judge"] = {
            name: means(evaluation, "strength", lambda row, name=name: row.losses[name])  # type: ignore[misc]
            for name in ("judge_content", "judge_style")
        }
    result["blending"] = [
        {"smoothness": smoothness, "strength": strength, "slider": slider, "blend": blend, "ratio": slider / blend}
        for (smoothness, strength), (slider, blend) in against_blending(evaluation).items()
    ]
    return result


def text(found: dict[str, Any]) -> str:
    """The summary as Markdown."""
    styles, photographs = found["styles"], found["photographs"]
    lines = ["# Sliders of a style model", ""]
    lines.append(
        f"Means over {len(styles)} paintings ({', '.join(styles)}) and {len(photographs)} photographs that the model "
        f"has not seen (the middle {found['side']}² pixels of each); other sliders in the middle. Style losses are 1 "
        "for a photograph as it is, on average."
    )
    if found["left_out"]:
        lines.append(f"Left out, since their pictures are not here: {', '.join(found['left_out'])}.")
    rows = [
        [
            name,
            each["loss"],
            *[f"{value:.3g}" for value in each["own_loss"]],
            f"{each['spearman']:.3f}",
            f"{each['moved']:.1%}",
        ]
        for name, each in found["sliders"].items()
    ]
    count = len(next(iter(found["sliders"].values()))["own_loss"])
    titles = ["slider", "its own loss", *[f"at {i + 1} of {count}" for i in range(count)], "Spearman", "pixels moved"]
    lines += ["", markdown(titles, rows)]
    strength = found["sliders"]["strength"]
    judged = found.get("judge")
    rows = [
        [
            f"{position:.2f}",
            f"{strength['content'][i]:.3f}",
            f"{strength['own_loss'][i]:.3f}",
            *([f"{judged['judge_content'][i]:.3f}", f"{judged['judge_style'][i]:.3f}"] if judged else []),
            f"{found['change'][i]:.1%}",
        ]
        for i, position in enumerate(strength["positions"])
    ]
    titles = ["strength", "content", "style", *(["content (judge)", "style (judge)"] if judged else [])]
    lines += ["", markdown([*titles, "pixels changed"], rows)]
    lines += ["", "Style loss beside that of blending the full-strength picture with the photograph, at equal content:"]
    rows = [
        [
            f"{each['smoothness']:.3g}",
            f"{each['strength']:.2f}",
            f"{each['slider']:.3f}",
            f"{each['blend']:.3f}",
            f"{each['ratio']:.3f}",
        ]
        for each in found["blending"]
    ]
    lines += ["", markdown(["smoothness", "strength", "slider", "blend", "ratio"], rows)]
    return "\n".join(lines).rstrip() + "\n"


def slider_figure(found: dict[str, Any]) -> Figure:
    """Each slider's own loss over its positions, and style over content along the strength."""
    theme = LIGHT
    drawn = canvas(theme, 10.5, 4.4)
    left, right = drawn.subplots(1, 2)
    for axes in (left, right):
        dress(axes, theme)
    for (name, each), (colour, marker) in zip(found["sliders"].items(), colours(theme), strict=False):
        own = [value / each["own_loss"][0] for value in each["own_loss"]]
        places = [i / (len(own) - 1) for i in range(len(own))]
        left.plot(places, own, color=colour, marker=marker, markersize=4.5, label=name)
    left.set(xlabel="position of the slider", ylabel="its own loss, lowest position = 1", ylim=(0, None))
    heading(left, theme, "Every slider lowers its own loss")
    legend(left, theme)
    strength = found["sliders"]["strength"]
    colour, other = theme.series[0], theme.series[1]
    right.plot(strength["content"], strength["own_loss"], color=colour, marker="o", label="strength slider")
    middle = max(each["smoothness"] for each in found["blending"])
    blends = [
        (at(strength, each["strength"]), each["blend"]) for each in found["blending"] if each["smoothness"] == middle
    ]
    right.plot(*zip(*blends, strict=True), color=other, marker="s", linestyle="none", label="blend, equal content")
    right.set(xlabel="content loss", ylabel="style loss", yscale="log")
    heading(right, theme, "Style over content")
    legend(right, theme)
    return drawn


def at(strength: dict[str, Any], position: float) -> float:
    """Content loss at a position of the strength slider."""
    index = min(range(len(strength["positions"])), key=lambda i: abs(strength["positions"][i] - position))
    return float(strength["content"][index])


def write(evaluation: Evaluation, found: dict[str, Any], out: str | Path) -> list[Path]:
    """Write sliders.csv, summary.json, report.md and sliders.png to the folder `out` and return their paths.

    Args:
        evaluation: Every picture's losses.
        found: Their `summary`.
        out: The folder.
    """
    folder = Path(out)
    paths = [folder / name for name in ("sliders.csv", "summary.json", "report.md", "sliders.png")]
    rows = []
    for row in evaluation.rows:
        losses = {name: float(f"{value:.5g}") for name, value in sorted(row.losses.items())}
        place = {"style": row.style, "slider": row.slider, "position": float(f"{row.position:.4g}")}
        numbers = {"change": float(f"{row.change:.4g}"), "moved": float(f"{row.moved:.4g}")}
        rows.append({**place, "photograph": row.photograph, **losses, **numbers})
    columns = sorted({name for row in rows for name in row}, key=lambda name: list(rows[0]).index(name))
    write_atomic(paths[0], csv_text([{name: row.get(name, "") for name in columns} for row in rows]))
    write_atomic(paths[1], json.dumps(found, indent=1) + "\n")
    write_atomic(paths[2], text(found))
    save_figure(slider_figure(found), paths[3])
    return paths
