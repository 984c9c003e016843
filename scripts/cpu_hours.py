"""BD-rate of codecs against the processor time that their training took: what more training would give.

    python scripts/cpu_hours.py RUN… -o results/compression/cpu-hours [--start RECIPE]

RUN is a finished run of `yoto train` or of a comparison; each had a learning-rate schedule of its own length. Steps and
hours of the run whose weights one started from (`--from`) count too, so that branches of one long run can be drawn:
`yoto train … --from RUN` takes an unfinished run as its last checkpoint stands, and from there a short decay.

--start adds the untrained start of a recipe (YOTO_DATA has its photographs). Writes OUT.csv and OUT.png: real files of
the twelve test photographs, BD-rate against JPEG 4:2:0.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from yoto import bundle, codec
from yoto.apps.codec.rate_distortion import CLASSICS, RANGE, REFERENCE, Point, bd_rate, classic_points, model_points
from yoto.build import build_model
from yoto.data.images import Picture, read_picture
from yoto.data.photographs import BUNDLED
from yoto.drawing.lines import save_figure
from yoto.drawing.tables import csv_text
from yoto.drawing.theme import LIGHT, figure
from yoto.recipe import read as read_recipe
from yoto.registry import load_task
from yoto.support.files import write_atomic


def started(recipe: str, folder: Path) -> Path:
    """A bundle of a recipe's network as training would start with it."""
    chosen = read_recipe(recipe)
    task: Any = load_task(chosen.task, chosen.options)
    model: Any = build_model(chosen, task, task.data("train"))
    extras, facts = task.extras(model)
    bundle.save(model, folder / "start.safetensors", recipe=chosen, info=facts, extras=extras)
    return folder / "start.safetensors"


def row_of(path: Path, steps: int, hours: float, pictures: list[Picture], jpeg: list[Point]) -> dict[str, Any]:
    """BD-rate of one model."""
    points = model_points(codec.load(path), pictures)
    return {
        "steps": steps,
        "cpu_hours": round(hours, 3),
        "bd_rate_percent": round(bd_rate(jpeg, points, RANGE) or 0.0, 2),
    }


def spent(run: Path) -> tuple[int, float]:
    """Steps and core-hours of a run, with those of the run that its weights came from."""
    record = json.loads((run / "run.json").read_text("utf-8"))
    before = record.get("before") or {"steps": 0, "cpu_seconds": 0.0}
    return record["steps"] + before["steps"], (record["cpu_seconds"] + before["cpu_seconds"]) / 3600


def main() -> None:
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", metavar="RECIPE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pictures = [read_picture(file) for file in sorted(BUNDLED.glob("*.webp"))]
    jpeg, webp = (classic_points(CLASSICS[name], pictures) for name in (REFERENCE, "WebP"))
    rows = []
    if options.start:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row_of(started(options.start, Path(folder)), 0, 0.0, pictures, jpeg))
    for run in options.runs:
        rows.append(row_of(run, *spent(run), pictures, jpeg))
        print(rows[-1], flush=True)
    rows.sort(key=lambda row: row["cpu_hours"])
    write_atomic(options.output.with_suffix(".csv"), csv_text(rows))
    drawn, axes = figure(LIGHT, 6.4, 4.0)
    axes.plot([r["cpu_hours"] for r in rows], [r["bd_rate_percent"] for r in rows], "o-", color=LIGHT.series[0])
    for row in rows:
        place = (row["cpu_hours"], row["bd_rate_percent"])
        axes.annotate(
            f"{row['steps']:,} steps", place, xytext=(6, 6), textcoords="offset points", size=9, color=LIGHT.ink
        )
    axes.axhline(bd_rate(jpeg, webp, RANGE) or 0.0, color=LIGHT.faint, linewidth=1, linestyle="--")
    axes.annotate("WebP", (rows[-1]["cpu_hours"], bd_rate(jpeg, webp, RANGE) or 0.0), xytext=(0, 4), ha="right",
                  textcoords="offset points", size=9, color=LIGHT.faint)  # fmt: skip
    axes.set(xlabel="hours of training on one CPU core", ylabel=f"BD-rate against {REFERENCE} (%)")
    axes.margins(0.12)
    save_figure(drawn, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
