"""Bring a folder of photographs to a size that can be carried to a GPU machine.

    python scripts/pack_photographs.py FOLDER OUT [--mib 28]

Keeps the sub-folders train and validation; photographs for validation stay as they are. Those for training stay so too
where leaving out one in five at most makes them fit; else they are shrunk, all by the same factor, until their JPEG
files do. OUT is a folder that git ignores, such as runs/photos.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from yoto.data.folder import pictures_in
from yoto.data.images import read_photograph
from yoto.support.files import write_atomic

SHARE = 0.8
"""Of the training photographs' bytes that has to fit, that they stay as they are."""
QUALITY = 92
FACTORS = (1.0, 0.9, 0.8, 0.72, 0.65, 0.58, 0.5, 0.4)


def shrunk(file: Path, factor: float) -> bytes:
    """A photograph as JPEG (4:4:4)."""
    image = Image.fromarray(read_photograph(file))
    size = tuple(max(1, round(side * factor)) for side in image.size)
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return buffer.getvalue()


def spread(files: Sequence[Path], room: float) -> list[Path]:
    """As many files as fit into so many bytes, those left out being evenly spread."""
    sizes = {file: file.stat().st_size for file in files}
    for out in range(len(files) + 1):
        left = {round((i + 0.5) * len(files) / out) for i in range(out)}
        kept = [file for i, file in enumerate(files) if i not in left]
        if sum(sizes[file] for file in kept) <= room:
            break
    return kept


def as_jpeg(files: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Photographs by their names as JPEG files, below a folder as they were; a.png beside a.jpg stays apart."""
    named: dict[str, Path] = {}
    for file in files:
        path = file.relative_to(folder)
        name = str(path.with_suffix(".jpg"))
        named[f"{path}.jpg" if name in named else name] = file
    return named


def main() -> None:
    """Pack them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mib", type=float, default=28.0, help="of the whole, at most")
    options = parser.parse_args()
    train, validation = options.folder / "train", options.folder / "validation"
    kept = pictures_in(validation) if validation.is_dir() else []
    room = options.mib * 2**20 - sum(file.stat().st_size for file in kept)
    found = pictures_in(train) if train.is_dir() else []
    if not found:
        raise SystemExit(f"{train} should be a folder of photographs. Found none")
    chosen = spread(found, room)
    if sum(file.stat().st_size for file in chosen) >= SHARE * sum(file.stat().st_size for file in found):
        packed = {str(file.relative_to(train)): file.read_bytes() for file in chosen}
        told = f"{len(packed)} of {len(found)} photographs as they are"
    else:
        for factor in FACTORS:
            packed = {name: shrunk(file, factor) for name, file in as_jpeg(found, train).items()}
            if sum(map(len, packed.values())) <= room:
                break
        else:
            raise SystemExit(f"More than fits at a factor of {factor} still. Give a larger --mib")
        told = f"{len(packed)} photographs shrunk by {factor}"
    for name, data in packed.items():
        write_atomic(options.out / "train" / name, data)
    for file in kept:
        write_atomic(options.out / "validation" / file.relative_to(validation), file.read_bytes())
    print(f"{options.out}: {told}, {sum(map(len, packed.values())) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
