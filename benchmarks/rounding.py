"""What rounding by bits and error saves, what counted tables save, and the prices that were chosen by it.

    python benchmarks/rounding.py --photos FOLDER [--model NAME] [-o results/compression/rounding]

The validation photographs of FOLDER (parts of 512×512), real files at six qualities, decoded again. BD-rates are
against rounding to the nearest integer with tables of normal distributions, over all that both reach, and over the
lower and the upper half of that range of PSNR.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image

from yoto import codec
from yoto.apps.codec import rounding
from yoto.apps.codec.format import tables
from yoto.apps.codec.model import CodecModel
from yoto.apps.codec.rate_distortion import Point, bd_rate
from yoto.data.photographs import photographs_of
from yoto.data.pixels import Pixels, psnr_of
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

QUALITIES = (12.0, 27.0, 43.0, 59.0, 75.0, 90.0)
SIDE = 512
PRICES = ((1.0, 0.9), (2.5, 0.9), (1.5, 0.7), (1.5, 1.2), (4.0, 1.6), (6.0, 1.1))
"""Of encoding at both ends, over that of the network's training (or over 10, where it has none)."""


def curve_of(model: CodecModel, pictures: list[Pixels]) -> list[Point]:
    """Mean bits per pixel and PSNR at every quality."""
    points = []
    for quality in QUALITIES:
        bits, psnr = [], []
        for picture in pictures:
            data = codec.compress(picture, quality=quality, model=model)
            bits.append(8 * len(data) / (picture.shape[0] * picture.shape[1]))
            psnr.append(psnr_of(np.asarray(codec.decompress(data, model=model)), picture))
        points.append(Point(quality, float(np.mean(bits)), float(np.mean(psnr)), math.nan, math.nan, math.nan))
    return points


def priced(model: CodecModel, low: float, high: float, known: list[tables.Table]) -> CodecModel:
    """The model with prices at both ends, and with other tables."""
    rounding.NEAREST = (low, high)
    model.price = None
    count = len(known)
    model.integers.tables[:count] = known
    model.bits = rounding.bits_of(known)
    return model


def row_of(name: str, base: list[Point], found: list[Point]) -> dict[str, Any]:
    """BD-rates over the whole range and over its halves."""
    low, high = max(base[0].psnr, found[0].psnr), min(base[-1].psnr, found[-1].psnr)
    middle = (low + high) / 2
    ranges = {"all": (low, high), "lower": (low, middle), "upper": (middle, high)}
    return {
        "name": name,
        **{key: bd_rate(base, found, each) for key, each in ranges.items()},
        "points": [{"quality": p.quality, "bpp": p.bpp, "psnr": p.psnr} for p in found],
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("-o", "--output", type=Path, help="write OUTPUT.md and OUTPUT.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = photographs_of(str(options.photos), "validation")
    pictures = [np.ascontiguousarray(np.asarray(Image.open(file).convert("RGB"))[:SIDE, :SIDE]) for file in files]
    model = codec.load(options.model)
    trained, counted = model.price, list(model.integers.tables[: tables.COUNT])
    normal, unit = tables.normal_tables(), trained or 10.0
    low, high = (rounding.encoding_price(share, trained) for share in (0.0, 1.0))
    base = curve_of(priced(model, math.inf, math.inf, normal), pictures)
    rows = []

    def add(name: str, ends: tuple[float, float], known: list[tables.Table]) -> None:
        rows.append(row_of(name, base, curve_of(priced(model, *ends, known), pictures)))
        print({key: value for key, value in rows[-1].items() if key != "points"}, flush=True)

    add("rounded by bits and error, normal tables", (low, high), normal)
    add("that and the tables of the model: as it codes", (low, high), counted)
    for factors in PRICES:
        ends = (factors[0] * unit, factors[1] * unit)
        add(f"the same with prices {ends[0]:.3g} and {ends[1]:.3g}", ends, counted)
    machine = describe_machine(torch.device("cpu"))
    own = "rounding to the nearest integer" if trained is None else f"a price of {trained:g}"
    lines = [
        "# Rounding and tables\n",
        f"Parts of {SIDE}x{SIDE} of {len(pictures)} validation photographs at {len(QUALITIES)} qualities, one",
        f"thread of an {machine['processor']}, nothing random. The network was trained with {own};",
        f"it is encoded at {low:.3g} bits per squared step at quality 0 and {high:.3g} at quality 100. BD-rates are",
        f"against the nearest integer and normal tables, between {base[0].psnr:.1f} and {base[-1].psnr:.1f} dB.\n",
        "| | all | lower half | upper half |",
        "| --- | --- | --- | --- |",
        *(f"| {r['name']} | {r['all']:+.1f} % | {r['lower']:+.1f} % | {r['upper']:+.1f} % |" for r in rows),
    ]
    report = "\n".join(lines) + "\n"
    print(report)
    if options.output:
        write_atomic(options.output.with_suffix(".md"), report)
        kept = {"machine": machine, "trained": trained, "base": row_of("base", base, base), "rows": rows}
        write_atomic(options.output.with_suffix(".json"), json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
