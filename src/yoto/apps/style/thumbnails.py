"""What a style model carries of its paintings: a small picture each, and what is known of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto import bundle
from yoto.apps.style.options import BUNDLED, THUMBNAIL, name_of, pictures

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.apps.style.options import StyleOptions
    from yoto.apps.style.painting.bank import Bank
    from yoto.data.pixels import Pixels

SIDE = 160
BLANK = (232, 236, 241)
FIELDS = ("title", "artist", "date", "source", "licence")


def thumbnails(options: StyleOptions) -> dict[str, Tensor]:
    """A JPEG file of each painting as uint8 [bytes]; of the default bank, of those that come with the package."""
    import torch
    from PIL import Image

    from yoto.data.images import read_photograph

    result = {}
    for name in options.paintings:
        # Without a folder of the user's, only what comes with the package may be shown to others.
        free = pictures(options.styles) if options.styles is not None else BUNDLED.glob("*.jpg")
        file = next((file for file in free if name_of(file) == name), None)
        if file is None:
            continue
        picture = Image.fromarray(read_photograph(file))
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        result[f"{THUMBNAIL}{name}"] = torch.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())
    return result


def facts(options: StyleOptions) -> list[dict[str, Any]]:
    """Name, title, artist, date, source and licence of each painting, as SOURCES.tsv beside the pictures has them."""
    table = (Path(options.styles) if options.styles is not None else BUNDLED) / "SOURCES.tsv"
    known: dict[str, dict[str, str]] = {}
    if table.is_file():
        with table.open(encoding="utf-8", newline="") as file:
            known = {row["name"]: row for row in csv.DictReader(file, delimiter="\t") if row.get("name")}
    return [
        {"name": name, **{field: known.get(name, {}).get(field) or "" for field in FIELDS}}
        for name in options.paintings
    ]


def thumbnail(bank: Bank, name: str) -> Pixels | None:
    """The thumbnail of a painting, uint8 [H, W, 3], or None where the model has none (its file may not be shown)."""
    from yoto.data.images import read_picture

    data = bundle.blob(bank.header.path, f"{bundle.EXTRAS}{THUMBNAIL}{name}")
    return None if data is None else read_picture(data, formats=("JPEG",)).pixels


def overview(bank: Bank, columns: int = 4, side: int = 200) -> Pixels:
    """The bank's thumbnails with their names and titles: uint8 [H, W, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    name_font, title_font = ImageFont.load_default(15), ImageFont.load_default(11)
    gap, text = 14, 40
    rows = -(-len(bank.styles) // columns)
    size = (gap + columns * (side + gap), gap + rows * (side + text + gap))
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    for place, style in enumerate(bank.styles):
        left, top = gap + place % columns * (side + gap), gap + place // columns * (side + text + gap)
        pixels = thumbnail(bank, style.name)
        if pixels is None:
            pen.rectangle((left, top, left + side, top + side), fill=BLANK)
            pen.text((left + side / 2, top + side / 2), "no picture", "#5b6573", title_font, anchor="mm")
        else:
            picture = Image.fromarray(pixels)
            picture.thumbnail((side, side))
            canvas.paste(picture, (left + (side - picture.width) // 2, top + (side - picture.height) // 2))
        pen.text((left, top + side + 6), style.name, "black", name_font)
        title = style.title if title_font.getlength(style.title) <= side else f"{style.title[:30]}…"
        pen.text((left, top + side + 24), title, "#5b6573", title_font)
    return np.asarray(canvas)
