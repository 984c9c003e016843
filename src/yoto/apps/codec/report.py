"""What `yoto sweep` leaves of a codec: points as CSV and JSON, a table of BD-rates, and a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from yoto.apps.codec.rate_distortion import REFERENCE, Report, rows_of
from yoto.drawing.lines import save_figure
from yoto.drawing.tables import csv_text
from yoto.drawing.theme import DARK, LIGHT, colours, figure, legend
from yoto.support.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rate_figure(report: Report, *, dark: bool = False) -> Figure:
    """PSNR over bits per pixel, a line per codec, the model's thickest."""
    theme = DARK if dark else LIGHT
    drawn, axes = figure(theme, 7.6, 4.9)
    for number, ((name, points), (colour, marker)) in enumerate(
        zip(report.points.items(), colours(theme), strict=False)
    ):
        if number >= len(theme.series):
            colour = theme.faint
        own = name == report.model
        ordered = sorted(points, key=lambda point: point.bpp)
        axes.plot(
            [point.bpp for point in ordered],
            [point.psnr for point in ordered],
            color=colour,
            marker=marker,
            markersize=6 if own else 3.5,
            linewidth=2.4 if own else 1.1,
            label=name,
            zorder=4 if own else 3,
        )
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(low, high)
    axes.set(xlabel="bits per pixel", ylabel="PSNR (dB)")
    legend(axes, theme)
    return drawn


def markdown(report: Report) -> str:
    """BD-rates and points as Markdown."""
    rates = report.rates()
    jpeg = {name: rate for name, rate in rates.items() if name != REFERENCE}
    lines = ["# Rate and distortion", ""]
    machine = report.info.get("machine", {}).get("processor", "an unknown machine")
    lines.append(
        f"Means over {len(report.images)} photographs, from the sizes of real files that were decoded again; "
        f"PSNR of 8-bit RGB. Times on {machine}, {report.info.get('threads', '?')} thread(s)."
    )
    within = report.within
    span = "the common range of PSNR" if within is None else f"{within[0]:g} to {within[1]:g} dB"
    lines += ["", f"BD-rates by the mean curves over {span}."]
    lines += ["", f"| codec | BD-rate against {REFERENCE} | encode, s | decode, s |", "| --- | --- | --- | --- |"]
    for name, rate in jpeg.items():
        points = report.points[name]
        encode = sum(p.encode_seconds for p in points) / len(points)
        decode = sum(p.decode_seconds for p in points) / len(points)
        shown = "-" if rate is None else f"{rate:+.1f} %"
        label = f"**{name}**" if name == report.model else name
        lines.append(f"| {label} | {shown} | {encode:.3f} | {decode:.3f} |")
    lines += ["", "| codec | quality | bits per pixel | PSNR, dB | MS-SSIM |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {p.quality:g} | {p.bpp:.4f} | {p.psnr:.2f} | {p.ms_ssim:.4f} |"
        for name, points in report.points.items()
        for p in points
    ]
    return "\n".join(lines) + "\n"


def write_report(report: Report, out: str | Path) -> list[Path]:
    """Write points.csv, points.json, report.md and curve.png to the folder `out` and return their paths."""
    folder = Path(out)
    names = ("points.csv", "points.json", "report.md", "curve.png")
    paths = [folder / name for name in names]
    write_atomic(paths[0], csv_text(list(rows_of(report))))
    write_atomic(paths[1], json.dumps(report.to_dict(), indent=1) + "\n")
    write_atomic(paths[2], markdown(report))
    save_figure(rate_figure(report), paths[3])
    return paths
