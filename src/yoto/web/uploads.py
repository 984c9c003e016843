"""Pictures that come in: limits, decoding, sizes for the screen."""

from __future__ import annotations

import io
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from yoto.data import images
from yoto.data.images import Picture
from yoto.data.pixels import Pixels
from yoto.web.errors import GoneError, TooLargeError
from yoto.web.store import Store

MEGABYTE = 2**20
BYTES = 32 * MEGABYTE
"""Of an upload, at most."""
PIXELS = 24_000_000
"""Of a picture, at most."""
PREVIEW = 384
"""Longest side in pixels of a picture while a slider is dragged."""
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""Pillow's names of what is read; formats that call other programs are not among them."""
PHOTOGRAPHS = Path(__file__).parents[1] / "assets" / "photos"
ENTRY = 2**16
"""Bytes that an entry counts at least, so that small ones are bounded in number."""
SAMPLE = "sample-"
"""Beginning of the names of the package's photographs."""


async def body(stream: AsyncIterator[bytes], most: int = BYTES) -> bytes:
    """The bytes of a request.

    Raises:
        TooLargeError: As soon as they are more than allowed.
    """
    parts = bytearray()
    async for part in stream:
        parts += part
        if len(parts) > most:
            raise TooLargeError(f"The file should have at most {most // MEGABYTE} MB. Found more.")
    return bytes(parts)


def decoded(data: bytes) -> Picture:
    """A picture from an upload.

    Raises:
        YotoError: If it is damaged, of another format or too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: what counts is whether the pixels can be read
        return images.read_picture(data, formats=FORMATS, most=PIXELS)


def samples() -> dict[str, Path]:
    """The photographs that come with the package, by name."""
    return {file.stem: file for file in sorted(PHOTOGRAPHS.glob("*.webp"))}


@lru_cache(maxsize=3)
def sample(name: str) -> Picture:
    """A photograph of the package."""
    return images.read_picture(samples()[name])


@dataclass(frozen=True)
class Shown:
    """A picture and its pixels as PNG, for the page."""

    picture: Picture
    png: bytes


def shown(picture: Picture) -> Shown:
    """A picture packed for the page."""
    return Shown(picture, png(picture.pixels, icc_profile=profile(picture)))


@lru_cache(maxsize=16)
def sample_shown(name: str) -> Shown:
    """A photograph of the package, packed for the page."""
    return shown(sample(name))


def profile(picture: Picture) -> bytes | None:
    """The colour profile that holds for a picture's pixels as RGB."""
    return picture.icc if picture.icc and not picture.grey else None


class Album:
    """The pictures that clients work on."""

    def __init__(self) -> None:
        self.store: Store[Shown] = Store("picture", 768 * MEGABYTE, each=2)

    def add(self, added: Shown, owner: str) -> str:
        """Keep a picture; its name."""
        picture = added.picture
        alpha = 0 if picture.alpha is None else picture.alpha.nbytes
        size = picture.pixels.nbytes + alpha + len(picture.icc) + len(picture.exif) + len(added.png)
        return self.store.put(added, size + ENTRY, owner)

    def get(self, name: str) -> Picture:
        """A picture by the name that `add` gave, or one of the package's by "sample-NAME".

        Raises:
            GoneError: If there is none.
        """
        return self.shown(name).picture

    def shown(self, name: str) -> Shown:
        """As `get`, with its PNG."""
        if name.startswith(SAMPLE):
            known = name.removeprefix(SAMPLE)
            if known not in samples():
                raise GoneError("There is no such sample picture.")
            return sample_shown(known)
        return self.store.get(name)


def png(pixels: Pixels, **options: Any) -> bytes:
    """A picture as PNG, packed in little time."""
    return encoded(pixels, "PNG", compress_level=1, **options)


def encoded(pixels: Pixels, kind: str, **options: Any) -> bytes:
    """A picture in a format of Pillow."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
