"""What the codec is bad at: six small graphics, beside JPEG, WebP and PNG.

    python benchmarks/graphics.py [--model NAME] [-o results/compression/graphics]

The graphics are drawn here, from nothing. Each is coded at qualities 50 and 100; JPEG (the better of 4:2:0 and 4:4:4)
and WebP get as many bytes, or the nearest to it that they can make; PNG is lossless. The twelve test photographs are
coded at quality 100 likewise: how far the codec reaches.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from yoto import codec
from yoto.apps.codec.beside import Made, compared
from yoto.apps.codec.rate_distortion import measures
from yoto.data import images
from yoto.data.photographs import BUNDLED
from yoto.data.pixels import Pixels
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

WIDTH, HEIGHT = 256, 192
QUALITIES = (50.0, 100.0)
SEED = 0
SENTENCE = "one network for every trade-off of its loss and any ordinary network out of it"
COLOURS = ((255, 107, 107), (134, 214, 120), (110, 168, 255), (244, 208, 96), (214, 140, 240), (220, 220, 220))


def page(ground: tuple[int, int, int], inks: tuple[tuple[int, int, int], ...]) -> Pixels:
    """Lines of words of 12 pixels, each word in the next ink."""
    image = Image.new("RGB", (WIDTH, HEIGHT), ground)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    words, number = SENTENCE.split(), 0
    for top in range(6, HEIGHT - 12, 15):
        left = 6.0
        while left < WIDTH - 40:
            word = words[number % len(words)]
            draw.text((left, top), word, inks[number % len(inks)], font)
            left += draw.textlength(word + " ", font)
            number += 1
    return np.asarray(image)


def text() -> Pixels:
    """Black on white."""
    return page((255, 255, 255), ((0, 0, 0),))


def coloured_text() -> Pixels:
    """Six colours on a dark ground."""
    return page((24, 26, 33), COLOURS)


def pixel_art() -> Pixels:
    """Symmetrical sprites of 8x8 squares of 4x4 pixels."""
    rng = np.random.default_rng(SEED)
    rows = []
    for _ in range(HEIGHT // 32):
        row = []
        for _ in range(WIDTH // 32):
            half = rng.random((8, 4)) < 0.5
            sprite = np.concatenate([half, half[:, ::-1]], 1)
            ink = np.array(COLOURS[rng.integers(len(COLOURS))])
            row.append(np.where(sprite[..., None], ink, 20))
        rows.append(np.concatenate(row, 1))
    return np.kron(np.concatenate(rows, 0), np.ones((4, 4, 1))).astype(np.uint8)


def checkerboard() -> Pixels:
    """Red and green by turns, one pixel each."""
    odd = np.indices((HEIGHT, WIDTH)).sum(0) % 2
    return np.where(odd[..., None], [220, 30, 30], [30, 180, 40]).astype(np.uint8)


def chart() -> Pixels:
    """A grid, axes and three curves, lines of one pixel."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for place in range(20, WIDTH, 20):
        draw.line((place, 8, place, HEIGHT - 16), (225, 225, 225))
    for place in range(8, HEIGHT - 16, 20):
        draw.line((20, place, WIDTH - 8, place), (225, 225, 225))
    draw.line((20, 8, 20, HEIGHT - 16, WIDTH - 8, HEIGHT - 16), (0, 0, 0))
    x = np.arange(20, WIDTH - 8)
    for number, ink in enumerate(((200, 30, 30), (30, 80, 200), (20, 140, 60))):
        y = 90 + 60 * np.sin(x / (14 + 9 * number) + number)
        draw.line([(int(a), float(b)) for a, b in zip(x, y, strict=True)], ink)
    return np.asarray(image)


def dither() -> Pixels:
    """A slope of grey as black and white dots, by an ordered 4x4 matrix."""
    matrix = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    bound = np.tile((matrix + 0.5) / 16, (HEIGHT // 4, WIDTH // 4))
    return np.repeat(((np.linspace(0, 1, WIDTH)[None] > bound) * 255)[..., None], 3, 2).astype(np.uint8)


GRAPHICS = {
    "text": text, "coloured text": coloured_text, "pixel art": pixel_art, "checkerboard of one pixel": checkerboard,
    "line chart": chart, "dithering": dither,
}  # fmt: skip


def row_of(name: str, pixels: Pixels, quality: float, model: codec.CodecModel) -> dict[str, Any]:
    """One graphic at one quality, beside the others."""
    picture = images.of_image(Image.fromarray(pixels))
    data = codec.compress(picture, quality=quality, model=model)
    found = measures(data, picture, model)
    made, closest = compared(picture, Made("yoto", quality, len(data), found["psnr"], found["ms_ssim"]))
    by_name = {each.codec: {"bytes": each.bytes, "psnr": round(each.psnr, 2), "fits": each.fits} for each in made}
    jpeg = max((name for name in by_name if name.startswith("JPEG 4")), key=lambda name: by_name[name]["psnr"])
    return {"graphic": name, "quality": quality, "closest": closest, "JPEG": by_name[jpeg], **by_name}


def lines_of(rows: list[dict[str, Any]], machine: str) -> list[str]:
    """The report."""

    def cell(found: dict[str, Any], own: int) -> str:
        psnr = "lossless" if found["psnr"] >= 100 else f"{found['psnr']:.1f} dB"
        return psnr if abs(found["bytes"] - own) <= 0.05 * own else f"{psnr} at {found['bytes']:,} bytes"

    lines = [
        "# Graphics\n",
        f"Graphics of {WIDTH}x{HEIGHT} pixels, seed {SEED}, on {machine}. JPEG and WebP at the size of the file",
        "where nothing else is said, JPEG with the better of two colour samplings.\n",
        "| graphic | quality | bytes | codec | JPEG | WebP | PNG, lossless |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        own = row["yoto"]["bytes"]
        lines.append(
            f"| {row['graphic']} | {row['quality']:.0f} | {own:,} | {row['yoto']['psnr']:.1f} dB | "
            f"{cell(row['JPEG'], own)} | {cell(row['WebP'], own)} | {row['PNG']['bytes']:,} bytes |"
        )
    return lines


def line_of(photographs: list[dict[str, Any]]) -> str:
    """What quality 100 comes to."""
    reached = [row["yoto"]["psnr"] for row in photographs]
    behind = sum(row["JPEG"]["psnr"] > row["yoto"]["psnr"] for row in photographs)
    return (
        f"\nAt quality 100 the {len(reached)} test photographs lie between {min(reached):.1f} and "
        f"{max(reached):.1f} dB; JPEG with as many bytes is closer to {behind} of them."
    )


def main() -> None:
    """Draw, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("-o", "--output", type=Path, help="write OUTPUT.md and OUTPUT.json")
    options = parser.parse_args()
    model = codec.load(options.model)
    rows = [row_of(name, draw(), quality, model) for name, draw in GRAPHICS.items() for quality in QUALITIES]
    machine = describe_machine(torch.device("cpu"))
    photographs = [
        row_of(file.stem, images.read_picture(file).pixels, 100.0, model) for file in sorted(BUNDLED.glob("*.webp"))
    ]
    report = "\n".join([*lines_of(rows, machine["processor"]), line_of(photographs)]) + "\n"
    facts = {"machine": machine, "rows": rows, "photographs": photographs}
    print(report)
    if options.output:
        write_atomic(options.output.with_suffix(".md"), report)
        write_atomic(options.output.with_suffix(".json"), json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
