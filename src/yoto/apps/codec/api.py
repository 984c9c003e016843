"""Compress and decompress pictures."""

from __future__ import annotations

import os
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
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise YotoError(f"One of quality, bpp, psnr and size should be given. Found {' and '.join(named)}.")
    if tile < 1 or tile & (tile - 1) or tile.bit_length() - 1 not in container.TILES:
        raise YotoError(f"`tile` should be a power of two from 128 to 2048. Found {tile}.")
    for name in named:
        check_number(name, given[name])
    if isinstance(effort, bool) or effort not in EFFORTS:
        raise YotoError(f"`effort` should be 0, 1 or 2. Found {effort!r}.")
    taken = as_picture(picture, keep_exif)
    trial = Trial(taken, load(model), tile, coder or coders.default(), int(effort), progress)
    if bpp is not None:
        return trial.nearest("bpp", bpp, lambda coded: coded.bpp, 0.03 * bpp)
    if psnr is not None:
        return trial.nearest("psnr", psnr, trial.measure, 0.1)
    if size is not None:
        return trial.within(size)
    return trial.best(round((DEFAULT_QUALITY if quality is None else quality) * 2.55))


def check_number(name: str, value: object) -> None:
    """Refuse a quality outside 0 to 100 or a target that is no number above 0."""
    quality = name == "quality"
    bounds = "lie in 0 to 100" if quality else "be above 0"
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        raise YotoError(f"`{name}` should be a number{', 0 to 100' if quality else ' above 0'}. Found {value!r}.")
    number = float(value)
    if not (0 <= number <= 100 if quality else 0 < number < float("inf")):
        raise YotoError(f"`{name}` should {bounds}. Found {value}.")


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
    if not isinstance(picture, Picture):
        picture = images.of_image(picture, keep_exif=keep_exif)
    return replace(picture, pixels=images.visible(picture))


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
