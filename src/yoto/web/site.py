"""The pages as HTML, and the sample pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.data.images import shrunk
from yoto.web import uploads
from yoto.web.errors import GoneError

if TYPE_CHECKING:
    from yoto.web.page import Page

STATIC = Path(__file__).parent / "static"
FIRST = "roman-colosseum"
"""The sample that pages begin with."""
THUMBNAIL = 160
"""Longest side of a sample's thumbnail, pixels."""
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""What a page may load. In a page without a server this stands in the page itself."""


def page(name: str, pages: Mapping[str, Page], *, mode: str = "server") -> str:
    """A page as HTML.

    Args:
        name: Which.
        pages: All there are, for the navigation.
        mode: "server", or "static" where the page has none and runs its network itself.
    """
    frame = (STATIC / "frame.html").read_text(encoding="utf-8")
    links = "".join(
        f'<a href="{other}.html"{" aria-current=page" if other == name else ""}>{escape(pages[other].title)}</a>'
        for other in pages
    )
    body = pages[name].html.read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n' if mode == "static" else ""
    values = {
        "title": escape(pages[name].title), "page": name, "mode": mode, "links": links, "main": body, "policy": policy,
    }  # fmt: skip
    for key, value in values.items():
        frame = frame.replace(f"<!--{key}-->", value).replace(f"{{{{{key}}}}}", value)
    return frame


def files(pages: Mapping[str, Page]) -> dict[str, Path]:
    """The files beside the pages by address: what they share, and the script of each."""
    shared = {
        path.relative_to(STATIC).as_posix(): path
        for path in sorted(STATIC.rglob("*"))
        if path.is_file() and path.suffix != ".html"
    }
    return shared | {f"js/{name}.js": page.script for name, page in pages.items()}


def samples() -> list[dict[str, Any]]:
    """The sample pictures: id, name, size, licence and source."""
    with (uploads.PHOTOGRAPHS / "SOURCES.tsv").open(encoding="utf-8", newline="") as file:
        sources = {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}
    return [
        {
            "id": uploads.SAMPLE + name,
            "name": name.replace("-", " "),
            "licence": sources[name]["licence"],
            "source": sources[name]["source"],
        }
        for name in sorted(uploads.samples(), key=lambda name: name != FIRST)
    ]


@cache
def sample_thumbnail(name: str) -> bytes:
    """The thumbnail of a sample picture as JPEG.

    Raises:
        GoneError: If there is none of this name.
    """
    if name not in uploads.samples():
        raise GoneError("There is no such sample picture.")
    return uploads.encoded(shrunk(uploads.sample(name).pixels, THUMBNAIL, quick=True), "JPEG", quality=80)
