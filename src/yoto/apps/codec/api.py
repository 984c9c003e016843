"""Compress and decompress pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from yoto.apps.codec.assembly import assembled
from yoto.apps.codec.format import coder as coders
from yoto.apps.codec.format import container
from yoto.apps.codec.model import CodecModel, load, model_for
from yoto.apps.codec.search import Encoded, Trial
from yoto.data import images
from yoto.data.images import Picture
from yoto.data.pixels import Pixels
from yoto.errors import YotoError

if TYPE_CHECKING:
    from PIL.Image import Image

    from yoto.apps.codec.format.coder import Coder
    from yoto.apps.codec.refinement import Progress

TILE = 1024
SIDES = tuple(2**log for log in container.TILES)
EFFORTS = (0, 1, 2)
DEFAULT_QUALITY = 50.0


def encode(
    picture: Picture | Image | Pixels,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    size: int | None = None,
    effort: int = 0,
    model: str | os.PathLike[str] | CodecModel | None = None,
    keep_exif: bool = False,
    tile: int = TILE,
    coder: Coder | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Code a picture at a quality, or at the one that reaches a target.

    Args:
        picture: A Pillow image, an array uint8 [H, W], [H, W, 3] or [H, W, 4], or a `Picture`.
        quality: 0 to 100; 50 if no target is given.
        bpp: Bits per pixel of the whole file: the nearest level.
        psnr: PSNR in dB of RGB, colours under alpha 0 left out: the nearest level, 0 where all are above.
        size: Bytes that the file may have: the best level that stays within.
        effort: 0, 1 or 2: how long the file's contents are refined for this picture, which costs seconds to minutes
            and saves a few percent of the bytes. λ·distortion + rate is never above that at 0. Decoders do not know.
        model: Name, file or object of the codec; the bundled one by default.
        keep_exif: Whether EXIF data are kept; the orientation is always applied.
        tile: Side in pixels of the parts that are computed at a time, a power of two from 128 to 2048.
        coder: Entropy coder; all write the same bytes.
        progress: Called with steps done and steps in all while contents are refined.

    Raises:
        YotoError: If more than one of quality and targets is given, a value is out of range, or the picture unfit.
        OutOfReachError: If no level comes near a target; it names the nearest value.

    >>> picture = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
    >>> encode(picture, quality=60).level
    153
    """
    given = {"quality": quality, "bpp": bpp, "psnr": psnr, "size": size}
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) > 1:
        raise YotoError(f"One of quality, bpp, psnr and size should be given. Found {' and '.join(named)}.")
    check_choice("tile", tile, SIDES, "a power of two from 128 to 2048")
    check_choice("effort", effort, EFFORTS, "0, 1 or 2")
    target = {name: number_of(name, value) for name, value in named.items()}
    taken = as_picture(picture, keep_exif)
    trial = Trial(taken, load(model), int(tile), coder or coders.default(), int(effort), progress)
    if "bpp" in target:
        return trial.nearest("bpp", target["bpp"], lambda coded: coded.bpp, 0.03 * target["bpp"])
    if "psnr" in target:
        return trial.nearest("psnr", target["psnr"], trial.measure, 0.1)
    if "size" in target:
        return trial.within(int(target["size"]))
    return trial.best(round(target.get("quality", DEFAULT_QUALITY) * 2.55))


def check_choice(name: str, value: object, known: Sequence[int], what: str) -> None:
    """Refuse what is none of a few numbers."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or value not in known:
        raise YotoError(f"`{name}` should be {what}. Found {value!r:.60}.")


def number_of(name: str, value: object) -> float:
    """A quality or a target as Python's number, once it is known to be one, 0 to 100 or above 0."""
    quality = name == "quality"
    try:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, SupportsFloat):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        kind = "a number, 0 to 100" if quality else "a number above 0"
        raise YotoError(f"`{name}` should be {kind}. Found {value!r:.60}.") from None
    if not (0 <= number <= 100 if quality else 0 < number < float("inf")):
        raise YotoError(f"`{name}` should {'lie in 0 to 100' if quality else 'be above 0'}. Found {value}.")
    return number


def as_picture(picture: Picture | Image | Pixels, keep_exif: bool) -> Picture:
    """Whatever `encode` takes, as a `Picture` in which colours under alpha 0 continue those that can be seen."""
    from PIL import Image

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
    if isinstance(picture, Image.Image):
        picture = images.of_image(picture, keep_exif=keep_exif)
    if not isinstance(picture, Picture):
        raise YotoError(
            f"A picture should be a Pillow image, an array or a `Picture`. Found {type(picture).__name__}.",
            " Open files with PIL.Image.open.",
        )
    check_picture(picture)
    return replace(picture, pixels=images.visible(picture))


def check_picture(picture: Picture) -> None:
    """Refuse a `Picture` whose parts do not fit each other: of theirs no file could be made that opens again."""
    pixels, alpha = picture.pixels, picture.alpha
    sides = range(1, images.LARGEST + 1)
    fits = all(side in sides for side in pixels.shape[:2])
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not fits:
        raise YotoError(
            f"`Picture.pixels` should be uint8 of shape [H, W, 3], 1 to {images.LARGEST} pixels along a side. Found "
            f"{pixels.dtype} of shape {pixels.shape}."
        )
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]):
        raise YotoError(
            f"`Picture.alpha` should be uint8 of shape {pixels.shape[:2]}, that of the pixels. Found {alpha.dtype} of "
            f"shape {alpha.shape}."
        )


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
