"""Between pictures and the header and chunks of a `.yoto` file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from yoto.apps.codec.format import container
from yoto.apps.codec.format.container import Header
from yoto.apps.codec.format.errors import FileError, damaged
from yoto.data.images import Picture, opened
from yoto.data.pixels import Pixels
from yoto.errors import YotoError

if TYPE_CHECKING:
    from PIL.Image import Image


def header_of(picture: Picture, level: int, fingerprint: bytes, tile: int) -> Header:
    """The header of a picture's file.

    Raises:
        YotoError: If a chunk would be larger than those that decoders take.
    """
    height, width = picture.pixels.shape[:2]
    alpha = b"" if picture.alpha is None else packed_alpha(picture.alpha)
    for what, chunk in (("colour profile", picture.icc), ("alpha channel", alpha), ("EXIF data", picture.exif)):
        if len(chunk) > container.LARGEST_CHUNK:
            raise YotoError(
                f"The {what} of a picture should take {container.LARGEST_CHUNK:,} bytes at most. Found {len(chunk):,}. "
                "Leave it out."
            )
    return Header(
        width=width, height=height, level=level, fingerprint=fingerprint, tile=tile, grey=picture.grey,
        icc=picture.icc, alpha=alpha, exif=picture.exif,
    )  # fmt: skip


def packed_alpha(alpha: Pixels) -> bytes:
    """An alpha channel, losslessly, as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(alpha).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def unpacked_alpha(data: bytes, size: tuple[int, int]) -> Image:
    """Inverse of `packed_alpha`; `size` is (width, height).

    Raises:
        FileError: If it is no such channel.
    """
    try:
        with opened(data, ("PNG",)) as (image, _):
            if image.size != size or image.mode != "L":
                raise damaged("its alpha channel has another size")
            image.load()
            return image.copy()
    except FileError:
        raise
    except YotoError:
        raise damaged("its alpha channel cannot be read") from None
