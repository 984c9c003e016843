"""The work of `yoto compress`, file by file or on all files together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yoto.apps.codec import api, beside, search
from yoto.apps.codec.format import container
from yoto.apps.codec.model import CodecModel
from yoto.apps.codec.rate_distortion import measures
from yoto.apps.codec.refinement import Progress
from yoto.apps.codec.search import Encoded
from yoto.cli import batch, checks, pictures
from yoto.data.images import Picture
from yoto.errors import YotoError


@dataclass(frozen=True)
class Work:
    """What is done with every file.

    Attributes:
        model: The codec.
        target: The one of quality, bpp, psnr and size.
        effort: 0 to 2.
        keep_exif: Whether EXIF data are kept.
        measured: Whether rows get PSNR and MS-SSIM.
        compare: Whether rows get the classic codecs.
        progress: Of the refinement of one file.
    """

    model: CodecModel
    target: dict[str, float] = field(default_factory=dict)
    effort: int = 0
    keep_exif: bool = False
    measured: bool = False
    compare: bool = False
    progress: Progress | None = None

    def encoded(self, file: Path, target: dict[str, float], effort: int) -> tuple[Picture, Encoded]:
        """A file's picture, and what it is coded to."""
        picture = pictures.read(file, keep_exif=self.keep_exif)
        with batch.named(file):
            return picture, api.encode(
                picture, model=self.model, effort=effort, progress=self.progress, **target  # type: ignore[arg-type]
            )  # fmt: skip

    def __call__(self, file: Path, to: Path) -> dict[str, Any]:
        """Compress one file and say what came of it."""
        begin = time.perf_counter()
        picture, coded = self.encoded(file, self.target, self.effort)
        seconds = time.perf_counter() - begin
        batch.write_result(to, coded.data)
        return self.row(file, to, picture, coded) | {"seconds": seconds}

    def row(self, file: Path, to: Path, picture: Picture, coded: Encoded) -> dict[str, Any]:
        """What is said of a file."""
        height, width = picture.pixels.shape[:2]
        row: dict[str, Any] = {
            "input": str(file), "output": str(to), "width": width, "height": height, "bytes": len(coded.data),
            "bpp": coded.bpp, "quality": coded.quality, "trials": coded.trials,
        }  # fmt: skip
        if file != checks.STANDARD:
            row["input_bytes"] = file.stat().st_size
        if coded.psnr is not None:
            row["psnr"] = coded.psnr
        if self.measured or self.compare:
            row |= measures(coded.data, picture, self.model)
        if self.compare:
            header = container.inspect(coded.data)
            beyond = sum(map(len, (header.icc, header.alpha, header.exif)))
            own = beside.Made("yoto", coded.quality, len(coded.data) - beyond, row["psnr"], row["ms_ssim"])
            row |= beside.facts(*beside.compared(picture, own))
        return row


def grown(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What to say where files are larger than what they were made from; None where none is."""
    larger = [row for row in rows if row["bytes"] > row.get("input_bytes", row["bytes"])]
    if not larger:
        return None
    first = larger[0]
    many = f"{len(larger)} of {len(rows)} files take" if len(rows) > 1 else "The file takes"
    return (
        f"{many} more bytes than the picture that went in ({first['input']}: {first['bytes']:,} in place of "
        f"{first['input_bytes']:,}). Drawings, text and screenshots are smaller as PNG or lossless WebP, and exact; a "
        "photograph that was compressed before takes a lower --quality, or --size."
    )


class Together:
    """Files that share a level, so that all of them take at most so many bytes.

    One level is one λ: the same price of distortion in bits for every picture, which is what makes the sum of their
    squared errors least at a sum of bytes.

    Args:
        work: What is done with every file; its target plays no part.
        pool: Where.
        files: Read once for every trial.
    """

    def __init__(self, work: Work, pool: ThreadPoolExecutor, files: Sequence[Path]) -> None:
        self.work, self.pool, self.files = work, pool, list(files)
        self.failed: list[YotoError] = []
        self.sizes: dict[tuple[int, bool], int] = {}
        self.kept: dict[tuple[int, bool], list[tuple[Path, Encoded]]] = {}

    def at(self, level: int, refined: bool, most: int) -> int:
        """Bytes that all files take at a level; those that fit within `most` are kept."""
        key = (level, refined)
        if key not in self.sizes:
            found = self.tried(level, self.work.effort if refined else 0)
            self.sizes[key] = sum(len(coded.data) for _, coded in found)
            if self.sizes[key] <= most:
                for other in [other for other in self.kept if other[1] == refined and other[0] < level]:
                    del self.kept[other]
                self.kept[key] = found
        return self.sizes[key]

    def tried(self, level: int, effort: int) -> list[tuple[Path, Encoded]]:
        """All files at a level. One that cannot be read or coded is left out from then on."""
        target = {"quality": level / 2.55}
        futures = [self.pool.submit(self.work.encoded, file, target, effort) for file in self.files]
        found = []
        for file, future in zip(self.files, futures, strict=True):
            with batch.noted(self.failed):
                found.append((file, future.result()[1]))
        self.files = [file for file, _ in found]
        return found

    def within(self, total: int) -> list[tuple[Path, Encoded]]:
        """The files that could be read, at the best level at which they take at most `total` bytes in all.

        Raises:
            OutOfReachError: If they take more at every level.
        """
        refined: Callable[[int], int] | None = None
        if self.work.effort:
            refined = lambda level: self.at(level, True, total)  # noqa: E731
        level, fine = search.level_within(lambda each: self.at(each, False, total), refined, total)
        size = self.at(level, fine, total)
        if size > total:
            which = "this picture" if len(self.files) == 1 else f"these {len(self.files)} pictures"
            raise search.OutOfReachError(
                f"--total-size of {total} bytes is out of this codec's reach for {which}. The nearest is "
                f"{size} bytes, at quality {level / 2.55:.0f}."
            )
        return self.kept[level, fine]


def together(
    work: Work, pool: ThreadPoolExecutor, places: dict[Path, Path], total: int
) -> tuple[list[dict[str, Any]], list[YotoError]]:
    """Compress files to a size of all together; what came of them, and the errors of the rest.

    Args:
        places: Where each file's result goes.
    """
    begin = time.perf_counter()
    shared = Together(work, pool, list(places))
    found = shared.within(total) if places else []
    seconds = (time.perf_counter() - begin) / max(1, len(found))
    trials = len(shared.sizes)

    def written(file: Path, coded: Encoded) -> dict[str, Any]:
        batch.write_result(places[file], coded.data)
        picture = pictures.read(file, keep_exif=work.keep_exif)
        return work.row(file, places[file], picture, coded) | {"trials": trials, "seconds": seconds}

    rows = []
    for future in [pool.submit(written, file, coded) for file, coded in found]:
        with batch.noted(shared.failed):
            rows.append(future.result())
    return rows, shared.failed
