"""What refining latents while encoding saves, and the seconds that it takes.

    python benchmarks/effort.py [--model NAME] [--photographs 4] [-o results/compression/effort]

The first of the twelve test photographs at three qualities, one thread. Bytes are compared at equal PSNR: those of a
file of effort 0 are interpolated between its levels (logarithm of the bytes over PSNR, from four levels near by).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from yoto import codec
from yoto.apps.codec.api import TILE, as_picture
from yoto.apps.codec.format.coder import default
from yoto.apps.codec.search import Trial
from yoto.data import images
from yoto.data.photographs import BUNDLED
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

QUALITIES = (20.0, 50.0, 80.0)
NEAR = (-24, -12, 0, 12)
"""Levels around one at which effort 0 is measured for interpolation."""


def bytes_at(trial: Trial, level: int, psnr: float) -> float:
    """Bytes of effort 0 at a PSNR near that of a level."""
    curve = [trial(min(max(level + step, 0), 255)) for step in NEAR]
    values = np.array(sorted((trial.measure(each), np.log(len(each.data))) for each in curve))
    return float(np.exp(np.interp(psnr, values[:, 0], values[:, 1])))


def row_of(file: Path, quality: float, effort: int, model: Any) -> dict[str, Any]:
    """One photograph at one quality and effort, beside effort 0."""
    picture = as_picture(images.read_picture(file), keep_exif=False)
    level = round(quality * 2.55)
    trial = Trial(picture, model, TILE, default(), effort)
    begin = time.process_time()
    plain = trial(level)
    middle = time.process_time()
    refined = trial.best(level)
    end = time.process_time()
    psnr = trial.measure(refined)
    return {
        "photograph": file.stem, "quality": quality, "effort": effort,
        "bytes": len(refined.data), "bytes_plain": len(plain.data), "bytes_plain_at_psnr": bytes_at(trial, level, psnr),
        "psnr": psnr, "psnr_plain": trial.measure(plain), "loss": trial.loss(refined) / trial.loss(plain),
        "seconds": end - middle, "seconds_plain": middle - begin,
    }  # fmt: skip


def lines_of(rows: list[dict[str, Any]], machine: str) -> list[str]:
    """The report: means over the photographs."""
    names = {row["photograph"] for row in rows}
    lines = [
        "# Effort\n",
        f"Means over {len(names)} of the test photographs ({', '.join(sorted(names))}),",
        f"one thread of an {machine}, CPU seconds per photograph of 768x512, nothing random.\n",
        "| effort | quality | bytes at the same PSNR | bytes as written | PSNR, dB | loss | seconds more |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for effort, quality in sorted({(row["effort"], row["quality"]) for row in rows}):
        own = [row for row in rows if (row["effort"], row["quality"]) == (effort, quality)]

        def change(above: str, below: str, own: list[dict[str, Any]] = own) -> float:
            return 100 * float(np.expm1(np.mean([np.log(row[above] / row[below]) for row in own])))

        psnr = float(np.mean([row["psnr"] - row["psnr_plain"] for row in own]))
        loss = 100 * float(np.mean([row["loss"] for row in own]) - 1)
        lines.append(
            f"| {effort} | {quality:.0f} | {change('bytes', 'bytes_plain_at_psnr'):+.1f} % | "
            f"{change('bytes', 'bytes_plain'):+.1f} % | {psnr:+.2f} | {loss:+.1f} % | "
            f"{np.mean([row['seconds'] for row in own]):.1f} |"
        )
    return lines


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--photographs", type=int, default=4)
    parser.add_argument("-o", "--output", type=Path, help="write OUTPUT.md and OUTPUT.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, rows = codec.load(options.model), []
    for file in sorted(BUNDLED.glob("*.webp"))[: options.photographs]:
        for quality in QUALITIES:
            for effort in (1, 2):
                rows.append(row_of(file, quality, effort, model))
                print(json.dumps(rows[-1]), flush=True)
    machine = describe_machine(torch.device("cpu"))
    report = "\n".join(lines_of(rows, machine["processor"])) + "\n"
    print(report)
    if options.output:
        write_atomic(options.output.with_suffix(".md"), report)
        write_atomic(
            options.output.with_suffix(".json"), json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
