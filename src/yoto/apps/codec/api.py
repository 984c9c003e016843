"""Compress and decompress pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto.apps.codec import latents
from yoto.apps.codec.format import chunks, container
from yoto.apps.codec.format import coder as coders
from yoto.apps.codec.model import CodecModel, load, model_for
from yoto.data import images
from yoto.data.images import Picture
from yoto.data.pixels import Pixels, psnr_of
from yoto.errors import YotoError

if TYPE_CHECKING:
    from PIL.Image import Image

    from yoto.apps.codec.format.coder import Coder

TOP = 255
TILE = 1024
TRIALS = 8
"""Encodings at most: the levels are 2^8."""
DEFAULT_QUALITY = 50.0


@dataclass(frozen=True)
class Encoded:
    """A coded picture.

    Attributes:
        data: The file.
        level: Quality level, 0 to 255.
        pixels: Number of pixels.
        trials: Encodings that were made to reach a target.
        psnr: PSNR in dB against the picture as coded, where it was measured.

    >>> coded = Encoded(bytes(1000), level=128, pixels=16000)
    >>> coded.bpp, round(coded.quality, 1)
    (0.5, 50.2)
    """

    data: bytes
    level: int
    pixels: int
    trials: int = 1
    psnr: float | None = None

    @property
    def quality(self) -> float:
        """Quality on the scale of 0 to 100."""
        return self.level / 2.55

    @property
    def bpp(self) -> float:
        """Bits of the file per pixel."""
        return 8 * len(self.data) / self.pixels


class OutOfReachError(YotoError):
    """A target that no quality level reaches."""


def encode(
    picture: Picture | Image | Pixels,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    size: int | None = None,
    model: str | os.PathLike[str] | CodecModel | None = None,
    keep_exif: bool = False,
    tile: int = TILE,
    coder: Coder | None = None,
) -> Encoded:
    """Code a picture at a quality, or at the one that reaches a target.

    Args:
        picture: A Pillow image, an array uint8 [H, W], [H, W, 3] or [H, W, 4], or a `Picture`.
        quality: 0 to 100; 50 if no target is given.
        bpp: Bits per pixel of the whole file: the nearest level.
        psnr: PSNR in dB of RGB: the nearest level.
        size: Bytes that the file may have: the best level that stays within.
        model: Name, file or object of the codec; the bundled one by default.
        keep_exif: Whether EXIF data are kept; the orientation is always applied.
        tile: Side in pixels of the parts that are computed at a time, a power of two from 128 to 2048.
        coder: Entropy coder; all write the same bytes.

    Raises:
        YotoError: If more than one of quality and targets is given, a value is out of range, or the picture unfit.
        OutOfReachError: If no level comes near a target; it names the nearest value.

    >>> picture = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
    >>> encode(picture, quality=60).level
    153
    """
    given = {"quality": quality, "bpp": bpp, "psnr": psnr, "size": size}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise YotoError(f"One of quality, bpp, psnr and size should be given. Found {' and '.join(named)}.")
    if tile < 1 or tile & (tile - 1) or tile.bit_length() - 1 not in container.TILES:
        raise YotoError(f"`tile` should be a power of two from 128 to 2048. Found {tile}.")
    for name in ("bpp", "psnr", "size"):
        value = given[name]
        if value is not None and not 0 < value < float("inf"):
            raise YotoError(f"`{name}` should be above 0. Found {value}.")
    taken = as_picture(picture, keep_exif)
    codec = load(model)
    trial = Trial(taken, codec, tile, coder or coders.default())
    if bpp is not None:
        return trial.nearest("bpp", bpp, lambda coded: coded.bpp, 0.03 * bpp)
    if psnr is not None:
        return trial.nearest("psnr", psnr, trial.measure, 0.1)
    if size is not None:
        return trial.within(size)
    chosen = DEFAULT_QUALITY if quality is None else quality
    if not 0 <= chosen <= 100:
        raise YotoError(f"`quality` should lie in 0 to 100. Found {chosen}.")
    return trial(round(chosen * 2.55))


class Trial:
    """Encodings of one picture at several levels, each made once."""

    def __init__(self, picture: Picture, model: CodecModel, tile: int, coder: Coder) -> None:
        self.picture, self.model, self.coder = picture, model, coder
        self.header = chunks.header_of(picture, 0, model.fingerprint, tile)
        self.made: dict[int, Encoded] = {}

    def __call__(self, level: int) -> Encoded:
        """The picture at a level."""
        if level not in self.made:
            header = replace(self.header, level=level)
            contents = latents.encode(self.model, header, self.picture.pixels, self.coder)
            self.made[level] = Encoded(container.pack(contents), level, header.width * header.height)
        return self.made[level]

    def measure(self, coded: Encoded) -> float:
        """PSNR in dB of an encoding, which it is given too."""
        if coded.psnr is None:
            decoded = pixels_of(container.parse(coded.data), self.model, self.coder)
            coded = replace(coded, psnr=psnr_of(decoded, self.picture.pixels))
            self.made[coded.level] = coded
        assert coded.psnr is not None
        return coded.psnr

    def search(self, value: Callable[[Encoded], float], target: float) -> tuple[Encoded | None, Encoded | None]:
        """The highest level tried whose value is at most the target, and the lowest whose value is above it.

        Values rise with the level, nearly in a straight line: after one trial in the middle and one at an end each
        is placed by interpolation, and by halving where two in a row did not halve what is left.
        """
        values: dict[int, float] = {}
        low, high = -1, TOP + 1
        lengths = [high - low]
        while high - low > 1 and len(self.made) < TRIALS:
            if not values:
                level = TOP // 2
            elif low < 0 or high > TOP:
                level = 0 if low < 0 else TOP
            elif len(lengths) > 4 and 2 * lengths[-1] > lengths[-3]:
                level = (low + high) // 2
            else:
                share = (target - values[low]) / max(values[high] - values[low], 1e-9)
                level = min(max(low + round(share * (high - low)), low + 1), high - 1)
            values[level] = value(self(level))
            low, high = (level, high) if values[level] <= target else (low, level)
            lengths.append(high - low)
        return (self.made[low] if low >= 0 else None), (self.made[high] if high <= TOP else None)

    def nearest(self, name: str, target: float, value: Callable[[Encoded], float], tolerance: float) -> Encoded:
        """The level whose value is nearest to a target.

        Raises:
            OutOfReachError: If the target lies beyond all levels by more than the tolerance.
        """
        found = [each for each in self.search(value, target) if each is not None]
        best = min((self.made[each.level] for each in found), key=lambda coded: abs(value(coded) - target))
        best = self.made[best.level]
        if best.level in (0, TOP) and abs(value(best) - target) > tolerance:
            raise OutOfReachError(
                f"`{name}` of {target:g} is out of this codec's reach for this picture. The nearest is "
                f"{value(best):.4g}, at quality {best.quality:.0f}."
            )
        return replace(self.made[best.level], trials=len(self.made))

    def within(self, size: int) -> Encoded:
        """The best level whose file has at most `size` bytes.

        Raises:
            OutOfReachError: If there is none.
        """
        low, _ = self.search(lambda coded: float(len(coded.data)), float(size))
        if low is None:
            smallest = self.made[0]
            raise OutOfReachError(
                f"`size` of {size} bytes is out of this codec's reach for this picture. The nearest is "
                f"{len(smallest.data)} bytes, at quality {smallest.quality:.0f}."
            )
        return replace(low, trials=len(self.made))


def as_picture(picture: Picture | Image | Pixels, keep_exif: bool) -> Picture:
    """Whatever `encode` takes, as a `Picture`."""
    from PIL import Image

    if isinstance(picture, Picture):
        return picture
    if isinstance(picture, np.ndarray):
        if (
            picture.dtype != np.uint8
            or picture.ndim not in (2, 3)
            or (picture.ndim == 3 and picture.shape[2] not in (3, 4))
        ):
            raise YotoError(
                "An array should be uint8 of shape [H, W], [H, W, 3] or [H, W, 4]. Found "
                f"{picture.dtype} of shape {picture.shape}."
            )
        picture = Image.fromarray(picture)
    return images.of_image(picture, keep_exif=keep_exif)


def compress(picture: Picture | Image | Pixels, **options: Any) -> bytes:
    """The bytes of a `.yoto` file; arguments and errors as of `encode`.

    >>> picture = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
    >>> len(compress(picture, size=400)) // 401
    0
    """
    return encode(picture, **options).data


def decompress(
    data: bytes, *, model: str | os.PathLike[str] | CodecModel | None = None, coder: Coder | None = None
) -> Image:
    """The picture in a `.yoto` file, as a Pillow image of mode L, LA, RGB or RGBA, with its profile and EXIF data.

    Args:
        data: The file.
        model: The codec; looked up by the fingerprint in the file by default.
        coder: Entropy coder.

    Raises:
        FileError: If the file is damaged, no `.yoto` file, or its model is not here.

    >>> picture = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
    >>> decompress(compress(picture)).size
    (96, 64)
    """
    contents = container.parse(data)
    header = contents.header
    codec = model_for(header.fingerprint, model)
    return assembled(contents, codec, coder or coders.default())


def assembled(contents: container.Contents, model: CodecModel, coder: Coder) -> Image:
    """The Pillow image of a parsed file."""
    from PIL import Image

    header = contents.header
    size = (header.width, header.height)
    image: Image.Image | None = None
    for top, left, part in latents.decode(model, contents, coder):
        if image is None:
            image = Image.new("L" if header.grey else "RGB", size)
        image.paste(Image.fromarray(grey_of(part) if header.grey else part), (left, top))
    assert image is not None
    alpha = chunks.unpacked_alpha(header.alpha, size) if header.alpha else None
    if alpha is not None:
        image.putalpha(alpha)
    if header.icc:
        image.info["icc_profile"] = header.icc
    if header.exif:
        image.info["exif"] = header.exif
    return image


def pixels_of(contents: container.Contents, model: CodecModel, coder: Coder) -> Pixels:
    """The decoded picture as uint8 [H, W, 3]; of a greyscale one, three equal planes."""
    header = contents.header
    result = np.empty((0, 0, 3), np.uint8)
    for top, left, part in latents.decode(model, contents, coder):
        if not result.size:
            result = np.empty((header.height, header.width, 3), np.uint8)
        result[top : top + part.shape[0], left : left + part.shape[1]] = (
            grey_of(part)[..., None] if header.grey else part
        )
    return result


def grey_of(pixels: Pixels) -> Pixels:
    """Mean of three nearly equal planes [h, w, 3], rounded."""
    total = pixels.astype(np.uint16).sum(axis=2, dtype=np.uint16)
    return np.asarray((total + 1) // 3, np.uint8)
