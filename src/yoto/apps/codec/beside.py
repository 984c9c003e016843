"""What classic codecs make of a picture at the size of a file: `yoto compress --compare`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from yoto.apps.codec.halving import last_below
from yoto.apps.codec.rate_distortion import CLASSICS, Classic, available, ms_ssim_of, plain
from yoto.data import images
from yoto.data.pixels import psnr_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from yoto.data.images import Picture
    from yoto.data.pixels import Pixels

SLACK = 1.05
"""A file counts as no larger up to this factor."""
LOSSLESS = Classic("PNG", {"optimize": True}, ())


@dataclass(frozen=True)
class Made:
    """A file of a codec.

    Attributes:
        codec: Its name.
        quality: Its setting; None where it has none.
        bytes: Size of the file; of this codec's without alpha, profile and EXIF data, which the others' do not have.
        psnr: dB, of 8-bit RGB; colours under alpha 0 are left out. 100 where it is lossless.
        ms_ssim: In [0, 1].
        fits: Whether it is no larger than this codec's, by more than a twentieth.
    """

    codec: str
    quality: float | None
    bytes: int
    psnr: float
    ms_ssim: float
    fits: bool = True


def compared(picture: Picture, own: Made) -> tuple[list[Made], str]:
    """Files of all classic codecs that are here, each at the setting whose size is nearest, and who is closest.

    Args:
        picture: What was coded.
        own: This codec's file.

    Returns:
        `own` and the others, and the name of the one that has the highest PSNR among those that fit.
    """
    image = plain(picture)
    rows = [own]
    for name, classic in {**available(), "PNG": LOSSLESS}.items():
        made = nearest(image, classic, own.bytes)
        if made is not None:
            quality, data = made
            pixels = images.read_picture(data).pixels
            psnr, ms_ssim = likeness(pixels, picture)
            rows.append(Made(name, quality, len(data), psnr, ms_ssim, len(data) <= SLACK * own.bytes))
    return rows, max((row for row in rows if row.fits), key=lambda row: row.psnr).codec


def likeness(pixels: Pixels, picture: Picture) -> tuple[float, float]:
    """PSNR and MS-SSIM of decoded pixels as `rate_distortion.measures` has them."""
    visible = images.visible(picture)
    return psnr_of(pixels, visible, picture.alpha), ms_ssim_of(pixels, visible)


def nearest(image: Image, classic: Classic, size: int) -> tuple[float | None, bytes] | None:
    """The quality at which a codec's file comes nearest to a size, and that file; None where it cannot hold it."""

    @cache
    def at(quality: int | None) -> bytes:
        buffer = io.BytesIO()
        setting = {} if quality is None else {"quality": quality}
        image.save(buffer, classic.format, **setting, **classic.options)
        return buffer.getvalue()

    try:
        if not classic.qualities:
            return None, at(None)
        quality = last_below(lambda each: len(at(each)), size, 1, 100)
        both = (quality, min(quality + 1, 100))
        best = min(both, key=lambda each: abs(len(at(each)) - size))
        return float(best), at(best)
    except (OSError, ValueError):  # such as a WebP file of more than 16383 pixels
        return None


def missing() -> str:
    """A line on the codecs that are left out because Pillow cannot write them, or ""."""
    there = {classic.format for classic in available().values()}
    lacking = sorted({classic.format for classic in CLASSICS.values() if classic.plugin is None} - there)
    return f"{' and '.join(lacking)} is left out: this Pillow cannot write it." if lacking else ""


def facts(rows: Sequence[Made], closest: str) -> dict[str, Any]:
    """What a row of the report gets."""
    return {"compared": [asdict(row) for row in rows], "closest": closest}


def lines(row: Mapping[str, Any]) -> list[str]:
    """The comparison of one file for people."""
    found = [f"{row['input']}: at {row['compared'][0]['bytes']:,} bytes, closest to the original is {row['closest']}"]
    for each in row["compared"]:
        setting = "" if each["quality"] is None else f" (quality {each['quality']:.0f})"
        psnr = "lossless" if each["psnr"] >= 100 else f"{each['psnr']:.2f} dB, MS-SSIM {each['ms_ssim']:.4f}"
        larger = "" if each["fits"] else ", larger: not counted"
        found.append(f"  {each['codec'] + setting:<26}{each['bytes']:>12,} bytes  {psnr}{larger}")
    return found
