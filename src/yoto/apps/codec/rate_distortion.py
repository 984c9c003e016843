"""Rate and distortion of real files: this codec beside classic ones, and how much rate one saves over another."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yoto.apps.codec import api, assembly
from yoto.apps.codec.format import coder as coders
from yoto.apps.codec.format import container
from yoto.apps.codec.model import CodecModel
from yoto.data import images
from yoto.data.images import Picture
from yoto.data.pixels import Pixels, planes, psnr_of
from yoto.errors import YotoError

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITIES = (5.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 100.0)
RANGE = (28.3, 36.65)
"""PSNR in dB over which BD-rates are given: where every codec here has points on the test photographs. A range that
moved with a model's own ends would make models incomparable.
"""
JPEG_QUALITIES = (5, 8, 12, 20, 30, 45, 60, 75, 85, 92)


@dataclass(frozen=True)
class Point:
    """Means over the images of a folder, at one setting of a codec.

    Attributes:
        quality: The setting.
        bpp: Bits per pixel, from the size of the files.
        psnr: dB, of 8-bit RGB.
        ms_ssim: In [0, 1].
        encode_seconds, decode_seconds: Per image.
    """

    quality: float
    bpp: float
    psnr: float
    ms_ssim: float
    encode_seconds: float
    decode_seconds: float


@dataclass(frozen=True)
class Classic:
    """A codec of Pillow or one of its plugins: format name, options, and the option and values of its quality."""

    format: str
    options: Mapping[str, Any]
    qualities: Sequence[int]
    plugin: str | None = None


CLASSICS: dict[str, Classic] = {
    "JPEG 4:2:0": Classic("JPEG", {"subsampling": "4:2:0", "optimize": True}, JPEG_QUALITIES),
    "JPEG 4:4:4": Classic("JPEG", {"subsampling": "4:4:4", "optimize": True}, JPEG_QUALITIES),
    "WebP": Classic("WEBP", {"method": 4}, (1, 10, 25, 45, 65, 80, 90, 95)),
    "AVIF 4:2:0": Classic("AVIF", {"subsampling": "4:2:0", "speed": 6}, (20, 30, 40, 50, 60, 70, 80, 88)),
    "AVIF 4:4:4": Classic("AVIF", {"subsampling": "4:4:4", "speed": 6}, (20, 30, 40, 50, 60, 70, 80, 88)),
    "JPEG XL": Classic("JXL", {"effort": 5}, (15, 30, 45, 60, 75, 85, 92), "pillow_jxl"),
}
REFERENCE = "JPEG 4:2:0"


def available() -> dict[str, Classic]:
    """The classic codecs that this Pillow can write, with plugins where they are installed."""
    from importlib import import_module
    from importlib.util import find_spec

    from PIL import Image

    Image.init()
    found = {}
    for name, classic in CLASSICS.items():
        if classic.plugin is not None and find_spec(classic.plugin) is not None:
            import_module(classic.plugin)
        if classic.format in Image.SAVE:
            found[name] = classic
    return found


def ms_ssim_of(one: Pixels, other: Pixels) -> float:
    """MS-SSIM of 8-bit pixels [H, W, 3]."""
    from yoto.apps.codec.metrics import ms_ssim

    return float(ms_ssim(planes(one), planes(other)))


def opaque(picture: Picture) -> Picture:
    """A picture without alpha, profile and EXIF data: what can be compared. Hidden colours are continued."""
    return Picture(images.visible(picture), picture.grey)


def plain(picture: Picture) -> Image:
    """The colours alone, as the classic codecs get them: greyscale where they are, hidden ones continued."""
    from PIL import Image

    image = Image.fromarray(images.visible(picture))
    return image.convert("L") if picture.grey else image


def measures(data: bytes, picture: Picture, model: CodecModel) -> dict[str, float]:
    """PSNR and MS-SSIM of a file against the picture it was made of, and the time that decoding took.

    Colours under alpha 0 are left out of PSNR; for MS-SSIM they are the continued ones that are coded.
    """
    begin = time.perf_counter()
    decoded = assembly.pixels_of(container.parse(data), model, coders.default())
    seconds = time.perf_counter() - begin
    return {
        "psnr": psnr_of(decoded, picture.pixels, picture.alpha),
        "ms_ssim": ms_ssim_of(decoded, images.visible(picture)),
        "decode_seconds": seconds,
    }


def model_points(
    model: CodecModel,
    pictures: Sequence[Picture],
    qualities: Sequence[float] = QUALITIES,
    progress: Callable[[], None] | None = None,
) -> list[Point]:
    """Points of this codec; files are decoded as any other would be."""
    points = []
    for quality in qualities:
        rows = []
        for picture in pictures:
            begin = time.perf_counter()
            coded = api.encode(picture, quality=quality, model=model)
            seconds = time.perf_counter() - begin
            rows.append({"bpp": coded.bpp, "encode_seconds": seconds, **measures(coded.data, picture, model)})
            if progress is not None:
                progress()
        points.append(mean_point(quality, rows))
    return points


def classic_points(
    classic: Classic, pictures: Sequence[Picture], progress: Callable[[], None] | None = None
) -> list[Point]:
    """Points of a classic codec."""
    points = []
    for quality in classic.qualities:
        rows = []
        for picture in pictures:
            image = plain(picture)
            buffer = io.BytesIO()
            begin = time.perf_counter()
            image.save(buffer, classic.format, quality=quality, **classic.options)
            middle = time.perf_counter()
            decoded = images.read_picture(buffer.getvalue()).pixels
            end = time.perf_counter()
            rows.append(
                {
                    "bpp": 8 * buffer.tell() / (image.width * image.height),
                    "psnr": psnr_of(decoded, picture.pixels, picture.alpha),
                    "ms_ssim": ms_ssim_of(decoded, picture.pixels),
                    "encode_seconds": middle - begin,
                    "decode_seconds": end - middle,
                }
            )
            if progress is not None:
                progress()
        points.append(mean_point(quality, rows))
    return points


def mean_point(quality: float, rows: Sequence[Mapping[str, float]]) -> Point:
    """The mean over images."""
    return Point(quality, **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]})


def bd_rate(
    reference: Sequence[Point], tested: Sequence[Point], within: tuple[float, float] | None = None
) -> float | None:
    """How much more rate `tested` takes than `reference` for the same PSNR, in percent; negative is better.

    Bjøntegaard 2001 (VCEG-M33) with the monotone piecewise cubic (PCHIP) of log rate over PSNR that JCT-VC uses,
    integrated over the common range of PSNR. None if the ranges do not overlap.

    Args:
        reference, tested: Points of two codecs.
        within: Limits in dB beyond which neither counts.

    Raises:
        YotoError: If a curve has fewer than two points, or two of the same PSNR.
    """
    from scipy.interpolate import PchipInterpolator

    curves = []
    for points in (reference, tested):
        ordered = sorted(points, key=lambda point: point.psnr)
        psnr, log_rate = [p.psnr for p in ordered], [float(np.log(p.bpp)) for p in ordered]
        if len(ordered) < 2 or any(b <= a for a, b in pairwise(psnr)):
            raise YotoError("A rate-distortion curve should have at least two points of different PSNR.")
        curves.append((psnr, PchipInterpolator(psnr, log_rate)))
    limits = [*((psnr[0], psnr[-1]) for psnr, _ in curves), *([within] if within else [])]
    low, high = max(limit[0] for limit in limits), min(limit[1] for limit in limits)
    if high <= low:
        return None
    areas = [float(curve.integrate(low, high)) for _, curve in curves]
    return 100 * float(np.expm1((areas[1] - areas[0]) / (high - low)))


@dataclass(frozen=True)
class Report:
    """Rate-distortion points by codec, the model first, on the images named."""

    points: dict[str, list[Point]]
    images: tuple[str, ...]
    info: dict[str, Any]

    @property
    def model(self) -> str:
        """Name of the model's row."""
        return next(iter(self.points))

    @property
    def within(self) -> tuple[float, float] | None:
        """`RANGE`, unless a codec has no points there, as on pictures that are all very smooth or very rough."""
        curves = [[point.psnr for point in points] for points in self.points.values() if points]
        return RANGE if all(min(psnr) < RANGE[1] and max(psnr) > RANGE[0] for psnr in curves) else None

    def rates(self, reference: str = REFERENCE) -> dict[str, float | None]:
        """BD-rate of every codec against one of them over `within`; None where it is not defined."""
        found: dict[str, float | None] = {}
        for name, points in self.points.items():
            try:
                found[name] = bd_rate(self.points[reference], points, self.within)
            except YotoError:
                found[name] = None
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "info": self.info,
            "images": list(self.images),
            "bd_rate_within": self.within,
            "bd_rate_percent": {name: None if v is None else round(v, 2) for name, v in self.rates().items()},
            "points": {name: [asdict(point) for point in points] for name, points in self.points.items()},
        }


def evaluate(
    model: CodecModel,
    files: Sequence[Path],
    *,
    name: str = "yoto",
    qualities: Sequence[float] = QUALITIES,
    progress: Callable[[int, int], None] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Report:
    """Points of a model and of the classic codecs that are here, on the colours of pictures."""
    pictures = [opaque(images.read_picture(file)) for file in files]
    classics = available()
    total = len(pictures) * (len(qualities) + sum(len(c.qualities) for c in classics.values()))
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count, total)

    points = {name: model_points(model, pictures, qualities, step)}
    points |= {title: classic_points(classic, pictures, step) for title, classic in classics.items()}
    return Report(points, tuple(file.stem for file in files), dict(info or {}))


def rows_of(report: Report) -> Iterable[dict[str, Any]]:
    """One row per codec and setting."""
    for name, points in report.points.items():
        for point in points:
            yield {"codec": name, **asdict(point)}
