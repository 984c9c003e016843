"""Pictures as people have them, read as upright 8-bit RGB with what belongs beside it."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from yoto.data import exif as metadata
from yoto.data import profiles
from yoto.data.pixels import Floats, Pixels
from yoto.errors import YotoError
from yoto.support.extras import needed

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 16384
"""Pixels along a side at most."""
LARGEST_CHUNK = 16 * 2**20
"""Bytes of a profile or of EXIF data at most."""
DIRECT = ("RGB", "RGBA", "L", "LA")


@dataclass(frozen=True)
class Picture:
    """A still picture, upright.

    Attributes:
        pixels: uint8 [H, W, 3]; of a greyscale picture three equal planes.
        grey: Whether it is greyscale.
        alpha: uint8 [H, W], or None where it is opaque.
        icc, exif: Bytes of the profile and of the EXIF data, or b"".
    """

    pixels: Pixels
    grey: bool = False
    alpha: Pixels | None = None
    icc: bytes = b""
    exif: bytes = b""


class OwnLimit:
    """Lifts Pillow's limit on pixels to ours while any thread is inside."""

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.previous: int | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """A block in which pictures of 16384x16384 pixels open without a word."""
        from PIL import Image

        with self.lock:
            if not self.inside:
                self.previous, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST**2
            self.inside += 1
        try:
            yield
        finally:
            with self.lock:
                self.inside -= 1
                if not self.inside:
                    Image.MAX_IMAGE_PIXELS = self.previous


own_limit = OwnLimit()


def read_picture(
    file: str | os.PathLike[str] | bytes,
    *,
    keep_exif: bool = False,
    formats: tuple[str, ...] | None = None,
    most: int | None = None,
) -> Picture:
    """A picture from a file or its bytes.

    Args:
        formats: Pillow's names of the formats that are tried; all by default.
        most: Pixels that it may have in all, known from its header before anything is decoded.

    Raises:
        YotoError: If it is missing, damaged, animated, or larger than 16384 pixels along a side.
    """
    with opened(file, formats) as (image, name):
        if most is not None and image.width * image.height > most:
            raise YotoError(
                f"{name} should have at most {most / 1e6:.0f} million pixels. Found {image.width}x{image.height}."
            )
        return of_image(image, keep_exif=keep_exif, name=name)


def read_photograph(file: str | os.PathLike[str], least: int | None = None) -> Pixels:
    """The colours of a picture for training, upright, uint8 [H, W, 3]; of several frames the first.

    Args:
        least: Both sides may be shrunk while decoding, as JPEG allows it, as long as neither falls below this.

    Raises:
        YotoError: If it is missing, damaged or in floating point.
    """
    with needed("Reading a picture"):
        from PIL import Image

    name = repr(os.fspath(file))
    try:
        with contents(file) as source, Image.open(source) as stored:
            if least is not None:
                stored.draft("RGB", (least, least))
            return colours(upright(stored, name))
    except (YotoError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - of damaged data Pillow raises whatever its parsers run into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise YotoError(f"{name} should be a photograph. Found: damaged data ({reason}).") from None


def size_of(file: str | os.PathLike[str] | bytes) -> tuple[int, int]:
    """Height and width in pixels of a picture as `read_picture` gives it, from its header alone; errors likewise."""
    with opened(file) as (image, _):
        stored = getattr(image, "tag_v2", {})  # of TIFF files, whose size Pillow may have turned already
        width, height = stored.get(256, image.width), stored.get(257, image.height)
        return (width, height) if metadata.orientation(image) >= 5 else (height, width)  # on its side


@contextmanager
def opened(file: str | os.PathLike[str] | bytes, formats: tuple[str, ...] | None = None) -> Iterator[tuple[Image, str]]:
    """A block with a picture of Pillow, not yet decoded, and what messages call it; its errors as of `read_picture`."""
    with needed("Reading a picture"):
        from PIL import Image, UnidentifiedImageError

    name = "The input" if isinstance(file, bytes) else repr(os.fspath(file))
    try:
        with own_limit(), contents(file) as source, Image.open(source, formats=formats) as image:
            yield image, name
    except (YotoError, MemoryError):
        raise
    except UnidentifiedImageError:
        known = "that Pillow does not know" if formats is None else f"other than {', '.join(formats)}"
        raise YotoError(f"{name} should be a picture. Found a format {known}.") from None
    except FileNotFoundError:
        raise YotoError(f"{name} should be a picture. Found no such file.") from None
    except Image.DecompressionBombError:
        raise YotoError(f"{name} should be at most {LARGEST} pixels wide and high. Found a larger picture.") from None
    except Exception as error:  # noqa: BLE001 - of damaged data Pillow raises whatever its parsers run into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise YotoError(f"{name} should be a picture. Found damaged data ({reason}).") from None


def contents(file: str | os.PathLike[str] | bytes) -> IO[bytes]:
    """A picture's file, open to read; opened by name, Pillow maps some TIFF files into memory and turns them wrong."""
    return io.BytesIO(file) if isinstance(file, bytes) else Path(file).open("rb")


def of_image(image: Image, *, keep_exif: bool = False, turn: bool = True, name: str = "The image") -> Picture:
    """A picture from a Pillow image.

    Palettes, CMYK and other colour models become RGB, 16-bit greys 8-bit ones; transparency becomes an alpha
    channel; the colour profile is kept where it still holds, and one of CMYK is applied.

    Args:
        keep_exif: Whether EXIF data are kept, with the orientation applied.
        turn: Whether it is turned upright by its EXIF orientation; else the pixels are taken as they lie.
        name: What messages call it.

    Raises:
        YotoError: If it is animated, in floating point, empty, larger than 16384 pixels along a side, or CMYK with a
            profile that cannot be applied.
    """
    if getattr(image, "is_animated", False) and image.format != "MPO":  # not `n_frames`, which walks through them all
        raise YotoError(f"{name} should be one still picture. Found several frames or pages; extract one first.")
    if min(image.size) < 1 or max(image.size) > LARGEST:
        raise YotoError(f"{name} should be 1 to {LARGEST} pixels wide and high. Found {image.width}x{image.height}.")
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and (max(key) > 255 or sixteen_bits(image)):
        raise YotoError(
            f"{name} should have 8 bits per colour or an alpha channel. Found 16 with one colour that is transparent; "
            "convert it first."
        )
    icc = profiles.kept(image)
    exif = metadata.kept(image, name) if keep_exif else b""  # first: of damaged ones Pillow complains only once
    plain = upright(image, name, turn=turn)
    grey = plain.mode in ("L", "LA")
    alpha = np.asarray(plain.getchannel("A")) if plain.mode in ("RGBA", "LA") else None
    if alpha is not None and alpha.min() == 255:
        alpha = None
    pixels = colours(plain)
    if len(icc) > LARGEST_CHUNK or len(exif) > LARGEST_CHUNK:
        raise YotoError(f"{name} should have a profile and EXIF data under 16 MiB. Found more.")
    return Picture(pixels, grey, alpha, icc, exif)


def upright(image: Image, name: str, *, turn: bool = True) -> Image:
    """A Pillow image turned by its EXIF orientation, in 8 bits and one of the modes `DIRECT`.

    Raises:
        YotoError: If it is in floating point, has values beyond 16 bits, or is CMYK with a profile that cannot be
            applied.
    """
    if image.mode == "F":
        raise YotoError(f"{name} should have 8 or 16 bits per colour. Found floating point; convert it first.")
    image.load()  # size and mode of some formats change with it
    white_is_0 = getattr(image, "tag_v2", {}).get(262) == 0
    plain = metadata.upright(image) if turn else image
    plain = (
        profiles.applied(plain, name)
        if plain.mode == "CMYK" and plain.info.get("icc_profile")
        else eight_bits(plain, name, white_is_0)
    )
    transparent = plain.has_transparency_data
    if plain.mode == "La":
        return plain.convert("LA")
    if plain.mode not in DIRECT:
        return plain.convert("RGBA" if transparent else "L" if plain.mode == "1" else "RGB")
    if transparent and plain.mode in ("RGB", "L"):
        return plain.convert("RGBA" if plain.mode == "RGB" else "LA")
    return plain


def colours(plain: Image) -> Pixels:
    """The colours of an 8-bit image, uint8 [H, W, 3]."""
    return np.asarray(plain if plain.mode == "RGB" else plain.convert("RGB"))


def eight_bits(image: Image, name: str, white_is_0: bool = False) -> Image:
    """A 16-bit greyscale image as 8-bit, rounded ("L", or "LA" if a grey is transparent); others as they are.

    A negative (`white_is_0`) becomes positive, as Pillow does it for 8-bit TIFF files alone.

    Raises:
        YotoError: If it has 32 bits and values that 16 do not hold: nothing says which of them is white.
    """
    from PIL import Image as Images

    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    least, most = int(values.min()), int(values.max())
    if least < 0 or most > 65535:
        raise YotoError(f"{name} should have values from 0 to 65535. Found {least} to {most}; convert it first.")
    if white_is_0:
        values = 65535 - values
    grey = Images.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    key = image.info.get("transparency")
    if key is not None:
        grey.putalpha(Images.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def sixteen_bits(image: Image) -> bool:
    """Whether the pixels of an image that is not read yet are stored as 16 bits per colour, of which Pillow keeps 8."""
    return any(str(part[3]).startswith("RGB;16") for part in getattr(image, "tile", ()))


def visible(picture: Picture) -> Pixels:
    """The colours of a picture, uint8 [H, W, 3], with those under alpha 0 continued from what can be seen.

    What such pixels hold in a file depends on the program that wrote it. Each takes the mean of the smallest square
    around it, of sides 2, 4, 8 and so on, in which something is visible.
    """
    if picture.alpha is None or picture.alpha.min() > 0:
        return picture.pixels
    known = picture.alpha > 0
    if not known.any():
        return np.zeros_like(picture.pixels)
    weight = picture.alpha[:, :, None].astype(np.float32)
    total = picture.pixels * weight
    result, missing, step = picture.pixels.copy(), ~known, 1
    while missing.any():
        weight, total, step = halved(weight), halved(total), 2 * step
        rows, columns = np.nonzero(missing)
        near = weight[rows // step, columns // step, 0]
        found = near > 0
        rows, columns, near = rows[found], columns[found], near[found]
        result[rows, columns] = np.rint(total[rows // step, columns // step] / near[:, None])
        missing[rows, columns] = False
    return result


def halved(sums: Floats) -> Floats:
    """Sums over squares of 2x2, [H, W, C] to [H / 2, W / 2, C], rounded up."""
    sums = np.pad(sums, ((0, len(sums) % 2), (0, sums.shape[1] % 2), (0, 0)))
    return sums[0::2, 0::2] + sums[1::2, 0::2] + sums[0::2, 1::2] + sums[1::2, 1::2]


def shrunk(pixels: Pixels, side: int, *, quick: bool = False) -> Pixels:
    """A picture uint8 [H, W, 3] whose longer side is at most `side`.

    Args:
        quick: In less time, for a glance.
    """
    from PIL import Image as Images

    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Images.fromarray(pixels)
    if quick:
        return np.asarray(image.resize(size, Images.Resampling.BILINEAR, reducing_gap=2.0))
    return np.asarray(image.resize(size, Images.Resampling.LANCZOS))
