"""Thumbnails of a bank's paintings, which its model carries."""

from __future__ import annotations

import io

import numpy as np

from yoto import bundle
from yoto.data.images import Pixels
from yoto.stylize.bank import Bank
from yoto.tasks.style.options import THUMBNAIL

BLANK = (232, 236, 241)


def thumbnail(bank: Bank, name: str) -> Pixels | None:
    """The thumbnail of a painting, uint8 [H, W, 3], or None where the model has none (its file may not be shown)."""
    from PIL import Image

    data = bundle.blob(bank.header.path, f"{bundle.EXTRAS}{THUMBNAIL}{name}")
    if data is None:
        return None
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return np.asarray(image.convert("RGB"))


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
