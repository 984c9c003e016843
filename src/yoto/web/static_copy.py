"""A copy of the pages for any web host: files alone, with networks that run in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from yoto.errors import YotoError
from yoto.support.extras import require
from yoto.web import documents, site, start, uploads
from yoto.web.copy_folder import CopyFolder
from yoto.web.pages import all_pages

if TYPE_CHECKING:
    from yoto.web.page import Page

VENDOR = site.STATIC / "vendor"
"""What `make web` fetched."""
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LICENCE = "onnxruntime-web.LICENSE.txt"
KINDS = (".css", ".js", ".svg", *documents.KINDS)
"""Of the static files that are copied as they are."""
QUALITY = 92
"""Of the sample pictures as JPEG."""


def write_copy(folder: Path) -> CopyFolder:
    """Write a copy of the pages that work without a server (style transfer and the β-VAE) into a folder.

    Raises:
        YotoError: If the run time for browsers or onnx is missing, or the folder cannot be written to.
    """
    refuse_incomplete()
    pages = {name: page for name, page in all_pages().items() if page.alone}
    copy = CopyFolder(folder)
    for name in (*pages, *documents.documents()):
        copy.put(f"{name}.html", site.page(name, pages, mode="static"))
    copy.put("index.html", site.page(start.NAME, pages, mode="static"))
    copy.put_json(f"api/{start.NAME}.json", start.info(pages))
    for name, page in pages.items():
        copy.put_json(f"api/glimpse/{name}.json", start.glimpse(page))
    put_files(copy, pages)
    put_samples(copy)
    for page in pages.values():
        page.put(copy)
    return copy


def refuse_incomplete() -> None:
    """Refuse to begin where something is missing that the copy needs."""
    missing = [name for name in (*RUNTIME, LICENCE) if not (VENDOR / name).is_file()]
    if missing:
        raise YotoError(
            f"A copy of the page needs onnxruntime-web: {str(VENDOR)!r} should hold {', '.join(missing)}. Found no "
            "such file. Run make web in a checkout of yoto."
        )
    require("A copy of the page", "onnx", "onnxscript")


def put_files(copy: CopyFolder, pages: Mapping[str, Page]) -> None:
    """Scripts, style sheet, icon, and the run time."""
    for name, path in site.files(pages).items():
        if path.suffix in KINDS and not name.startswith("vendor/"):
            copy.put(name, path.read_bytes())
    for name in (*RUNTIME, LICENCE):
        copy.put(f"vendor/{name}", (VENDOR / name).read_bytes())


def put_samples(copy: CopyFolder) -> None:
    """The sample pictures and their thumbnails."""
    listed = [
        {**entry, "file": f"{Path(entry['file']).stem}.jpg", "url": f"api/pictures/{entry['id']}.jpg"}
        for entry in site.samples()
    ]
    copy.put_json("api/samples.json", listed)
    for name in uploads.samples():
        copy.put(f"api/samples/{name}.jpg", site.sample_thumbnail(name))
        picture = uploads.encoded(uploads.sample(name).pixels, "JPEG", quality=QUALITY)
        copy.put(f"api/pictures/{uploads.SAMPLE}{name}.jpg", picture)
