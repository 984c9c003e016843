"""The IDX format of the MNIST family."""

from __future__ import annotations

import gzip
import math
import os
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from yoto.data.untrusted import shape_text, whole
from yoto.errors import YotoError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK = 1 << 24


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The array in an IDX file, gzipped or not (told by its first bytes, not by its name).

    Args:
        path: The file.

    Returns:
        An array in the file's shape and type, in native byte order; images are uint8 [N, H, W].

    Raises:
        YotoError: If the file is missing, is no IDX file, or is shorter or longer than its header says.
    """
    path = Path(path)
    with whole(path, "a whole gzip file", "a readable IDX file"):
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            return parse(file, path)  # type: ignore[arg-type]


def parse(file: IO[bytes], path: Path) -> npt.NDArray[Any]:
    """The array behind an open IDX stream; `path` is for messages."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        raise YotoError(
            f"{str(path)!r} should be an IDX file, which starts with 00 00, a type and a number of "
            f"dimensions. Found: {magic.hex(' ') or 'an empty file'}."
        )
    dimensions = file.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise YotoError(f"{str(path)!r} should be a whole IDX file. Found: its header is cut off.")
    shape = struct.unpack(f">{magic[3]}I", dimensions)
    dtype = np.dtype(TYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    content = bytearray()
    # In chunks, so that a damaged header cannot make us allocate what the file does not hold.
    while len(content) <= expected and (chunk := file.read(min(CHUNK, expected + 1 - len(content)))):
        content += chunk
    if len(content) != expected:
        found = f"only {len(content)}" if len(content) < expected else "more"
        raise YotoError(
            f"{str(path)!r} should hold {expected} bytes after its header, as its shape "
            f"{shape_text(shape)} says. Found: {found}. Usually: a download that was cut off."
        )
    return np.frombuffer(bytes(content), dtype).astype(dtype.newbyteorder("=")).reshape(shape)
