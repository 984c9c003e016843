"""README and guide as pages that need no network: rendered from the Markdown that comes with the package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from html import escape
from itertools import count
from pathlib import Path
from posixpath import join, normpath
from typing import TYPE_CHECKING, Any

from yoto.support.extras import needed

if TYPE_CHECKING:
    from markdown_it.token import Token

PACKED = Path(__file__).parent / "texts"
"""Where a wheel has them; a checkout has them at its root."""
ROOT = PACKED if PACKED.is_dir() else Path(__file__).parents[3]
SOURCES = {"readme": "README.md", "guide": "docs/guide.md"}
"""The documents by the name of their page."""
TITLES = {"readme": "README", "guide": "Guide"}
PAPER = "https://openreview.net/forum?id=HyxY6JHKwr"
"""The only address of another host that a page links to."""
KINDS = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}
"""Pictures of documents."""


def documents() -> list[str]:
    """Names of the documents that are here."""
    return [name for name, source in SOURCES.items() if (ROOT / source).is_file()]


@cache
def rendered(name: str) -> tuple[str, dict[str, Path]]:
    """The HTML of a document, and the pictures that it shows, by address."""
    with needed("README and guide as pages"):
        from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    source = SOURCES[name]
    tokens = parser.parse((ROOT / source).read_text(encoding="utf-8"))
    pictures: dict[str, Path] = {}
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(tokens[number + 1].content))
        if token.children:
            dropped = without_links(token.children, source, pictures)
            token.children = [child for child in token.children if not any(child is other for other in dropped)]
    html = str(parser.renderer.render(tokens, parser.options, {})).replace("<th></th>", "<td></td>")  # it heads nothing
    for tag, label in (("table", "Table"), ("pre", "Code")):
        numbers = count(1)
        html = re.sub(f"<{tag}>.*?</{tag}>", partial(framed, label, numbers), html, flags=re.DOTALL)
    return html, pictures


def framed(label: str, numbers: Iterator[int], found: re.Match[str]) -> str:
    """A wide part of a document in a frame of its own that scrolls."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{label} {next(numbers)}">{found[0]}</div>'


def slug(heading: str) -> str:
    """The name of a heading in links, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def without_links(children: list[Token], source: str, pictures: dict[str, Path]) -> list[Token]:
    """Turn links to where pages lead; tokens of those that lead nowhere from here, and of pictures that are not here.

    Args:
        source: The document that they stand in.
        pictures: Is filled with the pictures that are here.
    """
    dropped: list[Token] = []
    open_links: list[bool] = []
    for token in children:
        if token.type == "link_open":
            target = leads(str(token.attrGet("href")), source)
            open_links.append(target is not None)
            if target is None:
                dropped.append(token)
            else:
                token.attrSet("href", target)
        elif token.type == "link_close" and not open_links.pop():
            dropped.append(token)
        elif token.type == "image":
            path = normpath(join(source, "..", str(token.attrGet("src"))))
            if (ROOT / path).is_file() and Path(path).suffix in KINDS:
                pictures[f"documents/{path}"] = ROOT / path
                token.attrSet("src", f"documents/{path}")
                token.attrSet("loading", "lazy")
            else:
                dropped.append(token)
    return dropped


def leads(href: str, source: str) -> str | None:
    """Where a link of a document leads in the pages, or None."""
    if href == PAPER or href.startswith("#"):
        return href
    path, _, anchor = href.partition("#")
    page = {target: f"{name}.html" for name, target in SOURCES.items()}.get(normpath(join(source, "..", path)))
    return None if page is None else page + (f"#{anchor}" if anchor else "")


def links(active: str = "") -> str:
    """Links to the documents and to the paper, as HTML."""
    parts = [
        f'<a href="{name}.html"{" aria-current=page" if name == active else ""}>{TITLES[name]}</a>'
        for name in documents()
    ]
    return " · ".join([*parts, f'<a href="{escape(PAPER)}" rel="noreferrer">The paper</a>'])


def pictures_of(names: Mapping[str, Any] | list[str]) -> dict[str, Path]:
    """The pictures of documents by address."""
    return {address: path for name in names for address, path in rendered(name)[1].items()}
