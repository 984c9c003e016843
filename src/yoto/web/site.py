"""The pages as HTML, and the sample pictures."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.data.images import shrunk
from yoto.web import documents, start, uploads
from yoto.web.errors import GoneError

if TYPE_CHECKING:
    from yoto.web.page import Page

STATIC = Path(__file__).parent / "static"
FIRST = "roman-colosseum"
"""The sample that pages begin with."""
NOWHERE = "nowhere"
"""The page at a mistyped address."""
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
        name: Which: of the pages, "start", or of the documents.
        pages: All there are, for the navigation.
        mode: "server", or "static" where the page has none and runs its network itself.
    """
    links = "".join(
        f'<a href="{other}.html" data-opens="{escape(",".join(pages[other].opens))}"'
        f"{' aria-current=page' if other == name else ''}>{escape(pages[other].title)}</a>"
        for other in pages
    )
    title, body = content(name, pages)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n' if mode == "static" else ""
    to_settings = '<a class="skip" href="#settings">Skip to the settings</a>\n' if 'id="settings"' in body else ""
    values = {
        "title": escape(title), "page": name, "script": "document" if name in (*documents.SOURCES, NOWHERE) else name,
        "mode": mode, "links": links, "main": body, "policy": policy, "settings": to_settings,
        "documents": documents.links(name),
    }  # fmt: skip
    frame = (STATIC / "frame.html").read_text(encoding="utf-8")
    whole = filled(frame, values)
    # an address of several parts would lead astray whatever is named beside it
    return re.sub(r'(href|src)="(?=(?:css|js)/|\w+\.(?:html|svg)")', r'\1="/', whole) if name == NOWHERE else whole


def filled(frame: str, values: Mapping[str, str]) -> str:
    """A frame with its places filled: <!--name--> and {{name}}."""
    return re.sub(
        r"<!--(\w+)-->|\{\{(\w+)\}\}",
        lambda found: values.get(found[1] or found[2], found[0]),
        frame,
    )


def content(name: str, pages: Mapping[str, Page]) -> tuple[str, str]:
    """The title of a page, and what stands in its <main>."""
    if name == start.NAME:
        body = (STATIC / "start.html").read_text(encoding="utf-8")
        return "Train once, choose afterwards", body.replace("<!--further-->", documents.links())
    if name == NOWHERE:
        listed = "".join(f'<li><a href="/{other}.html">{escape(page.title)}</a></li>' for other, page in pages.items())
        found = "<h1>There is nothing at this address</h1><p>It may be mistyped. Here is what there is:</p>"
        return "Nothing here", f'{found}<ul><li><a href="/index.html">The start page</a></li>{listed}</ul>'
    if name in documents.SOURCES:
        return documents.TITLES[name], f'<article class="document">{documents.rendered(name)[0]}</article>'
    return pages[name].title, pages[name].html.read_text(encoding="utf-8")


def files(pages: Mapping[str, Page]) -> dict[str, Path]:
    """The files beside the pages by address: what they share, and the script of each."""
    shared = {
        path.relative_to(STATIC).as_posix(): path
        for path in sorted(STATIC.rglob("*"))
        if path.is_file() and path.suffix != ".html"
    }
    shared |= {f"js/{name}.js": page.script for name, page in pages.items()}
    return shared | documents.pictures_of(documents.documents())


def samples() -> list[dict[str, Any]]:
    """The sample pictures: id, name, licence, source, and where their files are."""
    with (uploads.PHOTOGRAPHS / "SOURCES.tsv").open(encoding="utf-8", newline="") as file:
        sources = {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}
    return [
        {
            "id": uploads.SAMPLE + name,
            "name": name.replace("-", " "),
            "file": f"{name}.webp",
            "url": f"api/samples/{name}.webp",
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
