"""What a style model carries of its paintings: a small picture each, and what is known of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from yoto.tasks.style.options import BUNDLED, THUMBNAIL, name_of, pictures

if TYPE_CHECKING:
    from yoto.tasks.style.options import StyleOptions

SIDE = 160
FIELDS = ("title", "artist", "date", "source", "licence")


def thumbnails(options: StyleOptions) -> dict[str, Tensor]:
    """A JPEG file of each painting as uint8 [bytes]; of the default bank, of those that come with the package."""
    from PIL import Image

    from yoto.data.photographs import open_photograph

    result = {}
    for name in options.paintings:
        # Without a folder of the user's, only what comes with the package may be shown to others.
        free = pictures(options.styles) if options.styles is not None else BUNDLED.glob("*.jpg")
        file = next((file for file in free if name_of(file) == name), None)
        if file is None:
            continue
        picture = Image.fromarray(open_photograph(file))
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
