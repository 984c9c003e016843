"""Where the domain examples get their data: tables, volumes and sounds from files; rows split, scaled and drawn."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import sys
import wave
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from yoto.errors import YotoError


def read_table(name: str, digest: str, home: str, delimiter: str | None = None) -> list[list[str]]:
    """The rows of a text file in `YOTO_DATA` or its folder `tables`, gzipped or not; quotes are taken off.

    Args:
        name: Of the gzipped file.
        digest: SHA-256 of the file that the results were made with; another of the same columns is read with a remark.
        home: Where the original lies.
        delimiter: Between columns; None: white space.

    Raises:
        YotoError: If there is none.
    """
    folder = Path(os.environ.get("YOTO_DATA", "data"))
    for path in (place / each for place in (folder / "tables", folder) for each in (name, name.removesuffix(".gz"))):
        if path.is_file():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                print(f"{path}: not the file that the results were made with; read as it is.", file=sys.stderr)
            text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode().replace("'", "")
            lines = (line for line in text.splitlines() if line.strip() and line[0] not in "@|%")
            return [[cell.strip() for cell in line.split(delimiter)] for line in lines]
    raise YotoError(
        f"{name} should lie in the folder that YOTO_DATA names, or in tables/ there. Found none in {folder}. "
        f"The original, with the same columns (that address was not tried): {home}"
    )


def encoded(table: list[list[str]], numbers: list[int], names: list[int]) -> Tensor:
    """Columns of a table as inputs [N, D]: numbers as they are, names as one column of 0 and 1 per frequent value."""
    columns = [[float(row[place]) for row in table] for place in numbers]
    for place in names:
        cells = [row[place] for row in table]
        frequent = sorted(each for each in set(cells) if cells.count(each) >= 50)
        columns += [[float(cell == value) for cell in cells] for value in frequent]
    return torch.tensor(columns).T


def split(tensors: Sequence[Tensor], train: float, validation: float, seed: int = 0) -> dict[str, tuple[Tensor, ...]]:
    """Rows of tensors [N, …] in a random order: these shares for training and validation, the rest for test."""
    count = len(tensors[0])
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    ends = [0, int(train * count), int((train + validation) * count), count]
    names = ("train", "validation", "test")
    return {
        name: tuple(each[order[a:b]] for each in tensors) for name, (a, b) in zip(names, pairwise(ends), strict=True)
    }


def standardised(x: Tensor, train: float, seed: int = 0) -> Tensor:
    """Columns [N, D] with mean 0 and deviation 1 over the rows that `split` gives to training."""
    rows = split([x], train, 0.0, seed)["train"][0]
    return (x - rows.mean(0)) / rows.std(0).clamp_min(1e-6)


def package_file(path: str, package: str) -> Path:
    """A file or folder that a Debian package installs.

    Raises:
        YotoError: Naming the package, if it is missing.
    """
    if not Path(path).exists():
        raise YotoError(f"{path} should be there. Found none. Usually: apt install {package}.")
    return Path(path)


def rows_of(tensors: Sequence[Tensor], size: int) -> Callable[[], tuple[Tensor, ...]]:
    """A function that gives the next batch: random rows of tensors [N, …]."""

    def batch() -> tuple[Tensor, ...]:
        rows = torch.randint(len(tensors[0]), (size,))
        return tuple(each[rows] for each in tensors)

    return batch


def read_wave(path: Path) -> Tensor:
    """The samples [N] of a WAV file of 16 bits and one channel, in [-1, 1]."""
    with wave.open(str(path)) as file:
        return torch.frombuffer(bytearray(file.readframes(file.getnframes())), dtype=torch.int16) / 32768


def read_nifti(path: Path) -> Tensor:
    """A NIfTI-1 volume of bytes, gzipped, [Z, Y, X]."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    x, y, z = struct.unpack("<3h", content[42:48])
    return torch.frombuffer(content, dtype=torch.uint8, offset=352).reshape(z, y, x)


def write_wave(path: Path, samples: Tensor, rate: int) -> None:
    """Write a WAV file of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples / samples.abs().max() * 32000).short().numpy().tobytes())
