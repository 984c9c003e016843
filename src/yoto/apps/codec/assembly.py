"""From a parsed file to a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yoto.apps.codec import latents
from yoto.apps.codec.format import chunks
from yoto.data.pixels import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from yoto.apps.codec.format.coder import Coder
    from yoto.apps.codec.format.container import Contents
    from yoto.apps.codec.model import CodecModel


def assembled(contents: Contents, model: CodecModel, coder: Coder) -> Image:
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


def pixels_of(contents: Contents, model: CodecModel, coder: Coder) -> Pixels:
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
