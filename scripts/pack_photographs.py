"""Shrink a folder of photographs to a size that can be carried to a GPU machine.

    python scripts/pack_photographs.py FOLDER OUT [--mib 28]

Keeps the sub-folders train and validation. Training photographs are shrunk, all by the same factor, until their JPEG
files fit; those for validation stay as they are. OUT is a folder that git ignores, such as runs/photos.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image

from yoto.data.images import read_photograph
from yoto.data.photographs import pictures_in
from yoto.support.files import write_atomic

QUALITY = 92
FACTORS = (1.0, 0.9, 0.8, 0.72, 0.65, 0.58, 0.5, 0.4)


def shrunk(file: Path, factor: float) -> bytes:
    """A photograph as JPEG (4:4:4)."""
    image = Image.fromarray(read_photograph(file))
    size = tuple(max(1, round(side * factor)) for side in image.size)
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return buffer.getvalue()


def main() -> None:
    """Pack them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mib", type=float, default=28.0, help="of the whole, at most")
    options = parser.parse_args()
    kept = pictures_in(options.folder / "validation")
    room = options.mib * 2**20 - sum(file.stat().st_size for file in kept)
    for factor in FACTORS:
        packed = {file: shrunk(file, factor) for file in pictures_in(options.folder / "train")}
        total = sum(map(len, packed.values()))
        if total <= room:
            break
    else:
        raise SystemExit(f"{total / 2**20:.1f} MiB at a factor of {factor}: more than fits. Give a larger --mib")
    for file, data in packed.items():
        write_atomic(options.out / "train" / f"{file.stem}.jpg", data)
    for file in kept:
        write_atomic(options.out / "validation" / file.name, file.read_bytes())
    print(f"{options.out}: {len(packed)} photographs shrunk by {factor}, {total / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
