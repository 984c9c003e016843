"""Contact sheets and animations: one photograph over the settings of a slider."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from yoto.apps.style.options import LAYERS
from yoto.apps.style.painting.bank import DEFAULT_STRENGTH, Bank
from yoto.apps.style.painting.painter import Painter
from yoto.data.images import Picture, shrunk, visible
from yoto.data.pixels import Pixels
from yoto.errors import YotoError
from yoto.space import Value

SLIDERS = ("strength", *LAYERS, "smoothness")
WORKING = 768
"""Longest side in pixels at which the pictures of a sheet are painted before they are shrunk to its cells."""
TEXT = 15
GAP = 6


def positions(bank: Bank, slider: str, count: int) -> list[float]:
    """`count` values of a slider from end to end: evenly for the strength, evenly on a log scale for the weights.

    Raises:
        YotoError: For an unknown slider.
    """
    if slider not in SLIDERS:
        raise YotoError(f"A slider should be one of {', '.join(SLIDERS)}. Found {slider!r}.")
    shares = [i / max(1, count - 1) for i in range(count)]
    if slider == "strength":
        return shares
    return [bank.value(slider, share) for share in shares]


def setting(
    bank: Bank,
    style: str | Mapping[str, float],
    slider: str,
    position: float,
    *,
    strength: float = DEFAULT_STRENGTH,
    layers: Mapping[str, float] | None = None,
    smoothness: float | None = None,
) -> dict[str, Value]:
    """The free loss parameters with one slider at a position and the others as given."""
    if slider == "strength":
        return bank.parameters(style, strength=position, layers=layers, smoothness=smoothness)
    if slider == "smoothness":
        return bank.parameters(style, strength=strength, layers=layers, smoothness=position)
    return bank.parameters(style, strength=strength, layers={**(layers or {}), slider: position}, smoothness=smoothness)


def row(
    painter: Painter,
    picture: Picture,
    settings: Sequence[Mapping[str, Value]],
    *,
    cell: int,
    keep_colours: bool = False,
    progress: Callable[[], None] | None = None,
) -> list[Pixels]:
    """One photograph at several settings, each picture at most `cell` pixels long; [h, w, 4] where it has alpha."""
    source = shrunk(visible(picture), max(WORKING, cell))
    alpha = None if picture.alpha is None else shrunk(np.dstack([picture.alpha] * 3), cell)[:, :, :1]
    result = []
    for values in settings:
        made = shrunk(painter.paint(source, values, keep_colours=keep_colours), cell)
        result.append(made if alpha is None else np.dstack([made, alpha]))
        if progress is not None:
            progress()
    return result


def sheet(rows: Sequence[Sequence[Pixels]], labels: Sequence[str], titles: Sequence[str]) -> Pixels:
    """Rows of pictures on white, each row labelled at the left and each column at the top."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    margin = max((int(font.getlength(label)) for label in labels), default=0) + 2 * GAP
    widths = [max(line[i].shape[1] for line in rows) for i in range(len(titles))]
    heights = [max(picture.shape[0] for picture in line) for line in rows]
    head = TEXT + 2 * GAP
    canvas = Image.new(
        "RGB", (margin + sum(widths) + GAP * len(widths), head + sum(heights) + GAP * len(rows)), "white"
    )
    pen = ImageDraw.Draw(canvas)
    left = margin
    for title, width in zip(titles, widths, strict=True):
        pen.text((left + width / 2, GAP), title, "black", font, anchor="ma")
        left += width + GAP
    top = head
    for line, label, height in zip(rows, labels, heights, strict=True):
        pen.text((GAP, top + height / 2), label, "black", font, anchor="lm")
        left = margin
        for picture, width in zip(line, widths, strict=True):
            image = Image.fromarray(picture)
            canvas.paste(image, (left, top), image if image.mode == "RGBA" else None)
            left += width + GAP
        top += height + GAP
    return np.asarray(canvas)


def animation(pictures: Sequence[Pixels], kind: str, *, milliseconds: int = 120, icc: bytes = b"") -> bytes:
    """Pictures forth and back as an endless animation in GIF, which has no colour profile, WebP or PNG."""
    from PIL import Image

    images = [Image.fromarray(picture) for picture in [*pictures, *pictures[-2:0:-1]]]
    buffer = io.BytesIO()
    options: dict[str, Any] = {"lossless": False, "quality": 85} if kind == "WEBP" else {}
    if icc and kind != "GIF":
        options["icc_profile"] = icc
    if kind == "GIF" and images[0].mode == "RGBA":
        options["disposal"] = 2  # a frame replaces the one before it where it is transparent too
    images[0].save(buffer, kind, save_all=True, append_images=images[1:], duration=milliseconds, loop=0, **options)
    return buffer.getvalue()
