"""Pictures that come in: limits, decoding, sizes for the screen."""

from __future__ import annotations

import base64
import io
import threading
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto.data import images
from yoto.data.images import Picture, shrunk
from yoto.data.pixels import Pixels
from yoto.errors import YotoError
from yoto.web.errors import GoneError, TooLargeError
from yoto.web.store import Store

if TYPE_CHECKING:
    from PIL.Image import Image

MEGABYTE = 2**20
BYTES = 32 * MEGABYTE
"""Of an upload, at most."""
PIXELS = 24_000_000
"""Of a picture that is worked on, at most: larger ones are shrunk."""
READ = 64_000_000
"""Of a picture that is read, at most."""
PREVIEW = 384
"""Longest side in pixels of a picture while a slider is dragged, at most."""
SMALLEST_PREVIEW = 128
SHRUNK = 0.98 * PIXELS
"""Pixels from which on a picture may have been shrunk."""
RENDITION = 2560
"""Longest side of the rendition that stands for an original until its own pixels are looked at."""
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""Pillow's names of what is read; formats that call other programs are not among them."""
PREVIEWS = 4
"""Small copies of a picture that are kept."""
TINY = 32_768
"""Pixels of a picture below which PNG is as small as JPEG."""
PHOTOGRAPHS = Path(__file__).parents[1] / "assets" / "photos"
ENTRY = 2**16
"""Bytes that an entry counts at least, so that small ones are bounded in number."""
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of HEIF files of iPhones and others."""
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
    """A picture from an upload, of `PIXELS` pixels at most: a larger one is shrunk.

    Raises:
        YotoError: If it is empty, damaged, of another format or too large.
    """
    if not data:
        raise YotoError("The file should be a picture. Found an empty file.")
    formats = (*FORMATS, "HEIF") if heif(data) else FORMATS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: what counts is whether the pixels can be read
        picture = images.read_picture(data, formats=formats, most=READ)
    height, width = picture.pixels.shape[:2]
    return picture if height * width <= PIXELS else smaller(picture, (PIXELS / (height * width)) ** 0.5)


def heif(data: bytes) -> bool:
    """Whether a file is of the HEIF family (but for AVIF), after making Pillow read such files.

    Raises:
        YotoError: If the library that reads them is not installed.
    """
    brands = data[8 : 8 + 64]
    if data[4:8] != b"ftyp" or data[8:12] not in HEIC or b"avif" in brands:
        return False
    if find_spec("pillow_heif") is None:
        raise YotoError(
            "HEIC pictures are read where pillow-heif is installed. Found none: convert the picture to JPEG, or "
            "pip install pillow-heif on the machine that serves this page."
        )
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


def smaller(picture: Picture, scale: float) -> Picture:
    """A picture shrunk by a factor, with its alpha channel."""
    from PIL import Image

    height, width = picture.pixels.shape[:2]
    side = int(max(height, width) * scale)
    pixels = shrunk(picture.pixels, side)
    if picture.alpha is None:
        return replace(picture, pixels=pixels)
    size = (pixels.shape[1], pixels.shape[0])
    return replace(picture, pixels=pixels, alpha=np.asarray(Image.fromarray(picture.alpha).resize(size)))


def size_of(data: bytes) -> tuple[int, int]:
    """Height and width of a picture as it was sent."""
    return images.size_of(data)


def samples() -> dict[str, Path]:
    """The photographs that come with the package, by name."""
    return {file.stem: file for file in sorted(PHOTOGRAPHS.glob("*.webp"))}


@lru_cache(maxsize=3)
def sample(name: str) -> Picture:
    """A photograph of the package."""
    return images.read_picture(samples()[name])


@dataclass
class Shown:
    """A picture for the page, with what is made of it when it is first asked for.

    Attributes:
        picture: The picture.
        previews: Small copies by their longest side.
    """

    picture: Picture
    previews: dict[int, Picture] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pixels(self) -> int:
        """Their number."""
        return int(self.picture.pixels.shape[0] * self.picture.pixels.shape[1])

    @property
    def png(self) -> bytes:
        """Its very pixels as PNG."""
        return self.file("png")

    @property
    def webp(self) -> bytes:
        """A rendition as WebP, several times smaller than the PNG."""
        return self.file("webp")

    def file(self, kind: str) -> bytes:
        """The picture as PNG or its rendition as WebP, made once."""
        with self.lock:
            if kind not in self.files:
                picture = self.picture
                if kind == "png":
                    self.files[kind] = png(of_picture(picture.pixels, picture))
                else:
                    whole = max(picture.pixels.shape[:2]) <= RENDITION
                    small = picture if whole else smaller(picture, RENDITION / max(picture.pixels.shape[:2]))
                    image = of_picture(small.pixels, small)
                    self.files[kind] = encoded(image, "WEBP", quality=90, method=1)
            return self.files[kind]

    def preview(self, side: int) -> Picture:
        """A small copy without metadata, whose longer side is at most `side`; the last few are kept."""
        with self.lock:
            if side not in self.previews:
                while len(self.previews) >= PREVIEWS:
                    self.previews.pop(next(iter(self.previews)))
                plain = replace(self.picture, icc=b"", exif=b"")
                scale = side / max(plain.pixels.shape[:2])
                self.previews[side] = plain if scale >= 1 else quickly(plain, side)
            return self.previews[side]


def quickly(picture: Picture, side: int) -> Picture:
    """A small copy in little time, with its alpha channel."""
    from PIL import Image

    pixels = shrunk(picture.pixels, side, quick=True)
    if picture.alpha is None:
        return replace(picture, pixels=pixels)
    alpha = Image.fromarray(picture.alpha).resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.BILINEAR)
    return replace(picture, pixels=pixels, alpha=np.asarray(alpha))


@lru_cache(maxsize=16)
def sample_shown(name: str) -> Shown:
    """A photograph of the package, for the page."""
    return Shown(sample(name))


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
        size = 2 * (picture.pixels.nbytes + alpha) + len(picture.icc) + len(picture.exif)  # and what is made of it
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


def of_picture(pixels: Pixels, picture: Picture) -> Image:
    """Pixels that were made of a picture, with its alpha channel and colour profile, as a Pillow image."""
    from PIL import Image as Images

    image = Images.fromarray(pixels)
    if picture.alpha is not None:
        image.putalpha(Images.fromarray(picture.alpha))
    icc = profile(picture)
    if icc:
        image.info["icc_profile"] = icc
    return image


def png(picture: Pixels | Image) -> bytes:
    """A picture as PNG, packed in little time."""
    return encoded(picture, "PNG", compress_level=1)


def png_inline(picture: Pixels | Image) -> str:
    """A picture as PNG in a `data:` address."""
    return f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"


def inline(picture: Pixels | Image) -> str:
    """A preview as a `data:` address: JPEG without subsampling, or PNG where it is transparent or tiny."""
    from PIL import Image as Images

    image = Images.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if image.mode != "RGB" or image.width * image.height < TINY:
        return png_inline(image)
    data = encoded(image, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def encoded(picture: Pixels | Image, kind: str, **options: Any) -> bytes:
    """A picture in a format of Pillow."""
    from PIL import Image as Images

    buffer = io.BytesIO()
    image = Images.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if "icc_profile" in image.info:
        options.setdefault("icc_profile", image.info["icc_profile"])
    image.save(buffer, kind, **options)
    return buffer.getvalue()
