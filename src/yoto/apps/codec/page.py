"""The page of the codec: one picture at any quality, beside JPEG, WebP and AVIF files of the same size."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto import bundle
from yoto.apps.codec.halving import last_below
from yoto.data.images import Picture, read_picture, visible
from yoto.data.pixels import Pixels, psnr_of
from yoto.errors import YotoError
from yoto.web import describe, site, uploads
from yoto.web.errors import go_on
from yoto.web.outcome import Outcome
from yoto.web.page import Glimpse, Page
from yoto.web.uploads import PREVIEW

if TYPE_CHECKING:
    from yoto.apps.codec.format.coder import Coder
    from yoto.apps.codec.model import CodecModel

FILES = Path(__file__).parent / "static"
DEFAULT = "compression/photo"
CLASSICS: dict[str, dict[str, Any]] = {
    "JPEG": {"optimize": True},
    "WebP": {"method": 4},
    "AVIF": {"speed": 8, "max_threads": 1},
}
"""Pillow's options of the formats that a file is set beside."""
WORDS = {"psnr": "A PSNR", "size": "A size", "bpp": "A rate", "quality": "The quality"}
"""What the page calls the targets."""
SEARCHED = 4_000_000
"""Pixels of a picture for which a target is searched, with eight encodings at most."""
MEASURED = 1_500_000
"""Pixels of a picture whose figures are measured for estimates; of a larger one, tiles of so many pixels in all."""
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
    about = "An image codec: one network writes every file, from the smallest to the most faithful."
    opens = ("image/*", ".yoto")
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
            "preview": PREVIEW,
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

    def encode(
        self, picture: Picture, target: dict[str, float], stopped: Callable[[], bool] = lambda: False
    ) -> Outcome:
        """A picture through the codec and back.

        Args:
            target: One of "quality", "bpp", "psnr", "size".
            stopped: Tells whether nobody waits for it any longer.

        Raises:
            StoppedError: If so.
        """
        from yoto.apps import codec
        from yoto.apps.codec.format import coder as coders

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
        coder = Stoppable(coders.default(), stopped)
        with in_words():
            coded = codec.encode(picture, model=self.ready(), coder=coder, **options)
        image = codec.decompress(coded.data, model=self.ready(), coder=coder)
        pixels = np.asarray(image.convert("RGB"))
        facts = {
            "quality": coded.quality, "bytes": len(coded.data), "bpp": coded.bpp,
            "psnr": psnr_of(pixels, picture.pixels, picture.alpha), "width": width, "height": height,
        }  # fmt: skip
        return Outcome(facts, uploads.png(uploads.of_picture(pixels, picture)), coded.data)

    def preview(self, small: Picture, quality: float) -> Outcome:
        """A small copy of a picture through the codec and back, for the page alone."""
        from yoto.apps import codec

        seen = replace(small, pixels=visible(small), alpha=None)
        coded = codec.encode(seen, model=self.ready(), quality=quality)
        pixels = np.asarray(codec.decompress(coded.data, model=self.ready()).convert("RGB"))
        facts = {"quality": coded.quality, "width": pixels.shape[1], "height": pixels.shape[0]}
        return Outcome(facts, inline=uploads.inline(uploads.of_picture(pixels, small)))

    def figures(self, picture: Picture, quality: float, stopped: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Bytes and PSNR of a picture at a quality; of a large one those of a sample of its tiles, taken for all.

        Raises:
            StoppedError: If nobody waits for it any longer.
        """
        from yoto.apps import codec
        from yoto.apps.codec.format import coder as coders

        sample = tiles_of(visible(picture), MEASURED)
        coder = Stoppable(coders.default(), stopped)
        coded = codec.encode(
            replace(picture, pixels=sample, alpha=None), quality=quality, model=self.ready(), coder=coder
        )
        decoded = np.asarray(codec.decompress(coded.data, model=self.ready(), coder=coder).convert("RGB"))
        share = sample.size / picture.pixels.size
        return {"bytes": len(coded.data) / share, "psnr": psnr_of(decoded, sample), "whole": share == 1}

    def glimpse(self) -> Glimpse:
        """A photograph at qualities from low to high."""
        from yoto.apps import codec

        pixels = uploads.sample(site.FIRST).pixels[96:288, 128:416]
        qualities = (0, 6, 14, 24, 36, 50, 75)
        frames = []
        for quality in qualities:
            coded = codec.encode(pixels, quality=quality, model=self.ready())
            frames.append(np.asarray(codec.decompress(coded.data, model=self.ready()).convert("RGB")))
        return Glimpse("Quality", [f"quality {quality}" for quality in qualities], frames)

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
        image = codec.decompress(data)
        count = header.width * header.height
        facts = {
            "quality": header.quality, "bytes": len(data), "bpp": 8 * len(data) / count,
            "width": header.width, "height": header.height,
        }  # fmt: skip
        return Outcome(facts, uploads.png(image if image.mode in ("RGB", "RGBA") else image.convert("RGBA")))


class Stoppable:
    """A coder that stops between two parts of a picture where nobody waits any longer.

    Args:
        coder: What codes.
        stopped: Tells whether to stop.
    """

    def __init__(self, coder: Coder, stopped: Callable[[], bool]) -> None:
        self.coder, self.stopped = coder, stopped

    def encode(self, *arguments: Any) -> Any:
        go_on(self.stopped)
        return self.coder.encode(*arguments)

    def decode(self, *arguments: Any) -> Any:
        go_on(self.stopped)
        return self.coder.decode(*arguments)


@contextmanager
def in_words() -> Iterator[None]:
    """A block whose refusals call a target what the page calls it."""
    try:
        yield
    except YotoError as error:
        plain = re.sub(r"`(\w+)`", lambda found: WORDS.get(found[1], found[0]), str(error))
        if plain == str(error):
            raise
        raise YotoError(plain) from None


def tiles_of(pixels: Pixels, most: int, side: int = 256) -> Pixels:
    """A picture, or where it has more pixels than that an even sample of its tiles beside and below each other."""
    height, width = pixels.shape[:2]
    if height * width <= most:
        return pixels
    share = (most / (height * width)) ** 0.5
    rows, columns = (max(1, int(length * share / side)) for length in (height, width))
    tops = np.linspace(0, height - side, rows).astype(int)
    lefts = np.linspace(0, width - side, columns).astype(int)
    return np.concatenate(
        [np.concatenate([pixels[top : top + side, left : left + side] for left in lefts], axis=1) for top in tops]
    )


def classic(pixels: Pixels, kind: str, size: int, stopped: Callable[[], bool] = lambda: False) -> Outcome:
    """The best file of a format of Pillow that has at most `size` bytes, or the smallest where none has.

    Args:
        kind: One of `CLASSICS`.
        stopped: Tells whether nobody waits for it any longer; it is asked between two trials.

    Raises:
        StoppedError: If so.
    """
    height, width = pixels.shape[:2]
    if kind == "WebP" and max(height, width) > WIDEST:
        raise YotoError(f"A WebP file has at most {WIDEST} pixels along a side. Found {width}x{height}.")

    def at(quality: int) -> bytes:
        go_on(stopped)
        return uploads.encoded(pixels, kind, quality=quality, **CLASSICS[kind])

    quality = last_below(lambda q: len(at(q)), size, 1, 95)
    data = at(quality)
    decoded = read_picture(data).pixels
    facts = {
        "kind": kind, "quality": quality, "bytes": len(data), "bpp": 8 * len(data) / (width * height),
        "psnr": psnr_of(decoded, pixels), "fits": len(data) <= size,
    }  # fmt: skip
    return Outcome(facts, uploads.png(decoded), data)
