"""The page of the codec: one picture at any quality, beside JPEG and WebP files of the same size."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto import bundle
from yoto.apps.codec.halving import last_below
from yoto.data.images import Picture, read_picture, shrunk, visible
from yoto.data.pixels import Pixels, psnr_of
from yoto.errors import YotoError
from yoto.web import describe, uploads
from yoto.web.outcome import Outcome
from yoto.web.page import Page
from yoto.web.uploads import PREVIEW

if TYPE_CHECKING:
    from yoto.apps.codec.model import CodecModel

FILES = Path(__file__).parent / "static"
DEFAULT = "compression/photo"
CLASSICS: dict[str, dict[str, Any]] = {"JPEG": {"optimize": True}, "WebP": {"method": 4}}
"""Pillow's options of the formats that a file is set beside."""
SEARCHED = 4_000_000
"""Pixels of a picture for which a target is searched, with eight encodings at most."""
WIDEST = 16383
"""Pixels along a side of a WebP file at most."""
FILE_BYTES = 64 * uploads.MEGABYTE
"""Of a file that is opened here, at most."""
LARGEST_TILE = 1024
"""Pixels along a side of the tiles of a file that is opened here; larger ones take memory that no encoder asks for."""


class Compression(Page):
    """The codec behind the page; its methods run in threads.

    Args:
        model: Name or file of a codec.
    """

    title = "Compression"
    html = FILES / "page.html"
    script = FILES / "page.js"
    bodies: Mapping[str, int] = {"/api/compression/decode": 2 * FILE_BYTES}  # the route refuses earlier and says more

    def __init__(self, model: str = DEFAULT) -> None:
        self.name = model
        self.header = bundle.read_header(model)
        self.lock = threading.Lock()
        self.codec: CodecModel | None = None

    def info(self) -> dict[str, Any]:
        """What the page is told."""
        low, high = (describe.parameters(self.header.space)[0][key] for key in ("low", "high"))
        return describe.model(self.header, self.name) | {
            "replaces": 256,  # quality levels of the format
            "range": {"low": low, "high": high},
            "quality": 50,
        }

    def loads(self) -> Sequence[Callable[[], object]]:
        return [self.ready]

    def ready(self) -> CodecModel:
        """The codec, loaded once."""
        from yoto.apps import codec

        with self.lock:
            if self.codec is None:
                self.codec = codec.load(self.name)
            return self.codec

    def encode(self, picture: Picture, target: dict[str, float], *, preview: bool) -> Outcome:
        """A picture through the codec and back.

        Args:
            target: One of "quality", "bpp", "psnr", "size".
            preview: At reduced size, whose figures are those of the small picture.
        """
        from yoto.apps import codec

        if len(target) != 1:
            raise YotoError("One of quality, bits per pixel, PSNR and size should be given.")
        height, width = picture.pixels.shape[:2]
        if "quality" not in target and height * width > SEARCHED:
            raise YotoError(
                f"A target is searched for here in pictures of at most {SEARCHED / 1e6:.0f} million pixels. Found "
                f"{width}x{height}. yoto compress has no such limit."
            )
        options: dict[str, Any] = dict(target)
        if "size" in options:
            options["size"] = int(options["size"])
        if preview:
            small = shrunk(visible(picture), PREVIEW, quick=True)
            picture = replace(picture, pixels=small, alpha=None, icc=b"", exif=b"")
        coded = codec.encode(picture, model=self.ready(), **options)
        pixels = np.asarray(codec.decompress(coded.data, model=self.ready()).convert("RGB"))
        facts = {
            "quality": coded.quality, "bytes": len(coded.data), "bpp": coded.bpp,
            "psnr": psnr_of(pixels, picture.pixels, picture.alpha), "width": pixels.shape[1], "height": pixels.shape[0],
            "preview": preview,
        }  # fmt: skip
        data = b"" if preview else coded.data
        return Outcome(facts, uploads.png(pixels, icc_profile=uploads.profile(picture)), data)

    def decode(self, data: bytes) -> Outcome:
        """The picture in a `.yoto` file.

        Raises:
            YotoError: If it is damaged, another model's, or too large.
        """
        from yoto.apps import codec

        header = codec.inspect(data)
        if header.width * header.height > uploads.PIXELS:
            raise YotoError(
                f"The picture should have at most {uploads.PIXELS / 1e6:.0f} million pixels. "
                f"Found {header.width}x{header.height}."
            )
        if header.tile > LARGEST_TILE:
            raise YotoError(f"The file should have tiles of at most {LARGEST_TILE} pixels. Found {header.tile}.")
        pixels = np.asarray(codec.decompress(data).convert("RGB"))
        count = header.width * header.height
        facts = {
            "quality": header.quality, "bytes": len(data), "bpp": 8 * len(data) / count,
            "width": header.width, "height": header.height,
        }  # fmt: skip
        return Outcome(facts, uploads.png(pixels))


def classic(pixels: Pixels, kind: str, size: int) -> Outcome:
    """The best file of a format of Pillow that has at most `size` bytes, or the smallest where none has.

    Args:
        kind: "JPEG" or "WebP".
    """
    height, width = pixels.shape[:2]
    if kind == "WebP" and max(height, width) > WIDEST:
        raise YotoError(f"A WebP file has at most {WIDEST} pixels along a side. Found {width}x{height}.")

    def at(quality: int) -> bytes:
        return uploads.encoded(pixels, kind, quality=quality, **CLASSICS[kind])

    quality = last_below(lambda q: len(at(q)), size, 1, 95)
    data = at(quality)
    decoded = read_picture(data).pixels
    facts = {
        "kind": kind, "quality": quality, "bytes": len(data), "bpp": 8 * len(data) / (width * height),
        "psnr": psnr_of(decoded, pixels), "fits": len(data) <= size,
    }  # fmt: skip
    return Outcome(facts, uploads.png(decoded), data)
