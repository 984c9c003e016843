"""The start page: what yoto is, and a glimpse of each page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto.errors import YotoError
from yoto.web import uploads

if TYPE_CHECKING:
    from yoto.web.page import Page

NAME = "start"
QUALITY = 88


def info(pages: Mapping[str, Page]) -> dict[str, Any]:
    """What the start page is told of the pages."""
    return {"pages": [{"name": name, "title": page.title, "about": page.about} for name, page in pages.items()]}


def glimpse(page: Page) -> dict[str, Any]:
    """The glimpse of a page, its frames one below the other in a picture; without "at" where it has none."""
    try:
        found = page.glimpse()
    except YotoError:
        found = None  # its page will say what is wrong
    if found is None:
        return {}
    height, width = found.frames[0].shape[:2]
    data = uploads.encoded(np.concatenate(list(found.frames)), "WEBP", quality=QUALITY)
    address = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
    return {"label": found.label, "at": list(found.at), "width": width, "height": height, "strip": address}
