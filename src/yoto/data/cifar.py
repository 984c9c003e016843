"""CIFAR-10, in its binary and in its Python form, as an archive or unpacked."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from yoto.data.untrusted import ForeignNameError, read_pickle, text, whole
from yoto.errors import YotoError

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Images [N, 3, 32, 32] and labels [N]."""

PER_FILE, PIXELS = 10_000, 3 * 32 * 32
FILES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
LARGEST = 64 << 20
"""No file of the data set has more bytes than this."""


def read_cifar10(path: str | os.PathLike[str], split: Literal["train", "test"]) -> Batch:
    """Images and labels of CIFAR-10.

    The Python form consists of pickles. They are read without importing or calling anything that they name.

    Args:
        path: `cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz`, or the folder that one of them unpacks to.
        split: The 50,000 training or the 10,000 test images.

    Returns:
        Images uint8 [N, 3, 32, 32] and labels uint8 [N] in 0..9, in the data set's order.

    Raises:
        YotoError: If a file is missing, cut off or damaged.
    """
    path = Path(path)
    found = dict(contents(path, FILES[split]))
    missing = [name for name in FILES[split] if name not in found]
    if missing:
        raise YotoError(
            f"{str(path)!r} should contain {missing[0]}.bin or {missing[0]}. Found: neither. Usually: a "
            "download that was cut off, or a folder other than cifar-10-batches-bin and cifar-10-batches-py."
        )
    parts = [found[name] for name in FILES[split]]
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def contents(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Batch]]:
    """Every file of `names`, read, from a folder or an archive."""
    with whole(path, "a whole .tar.gz archive of CIFAR-10", "a readable archive or folder"):
        if path.is_dir():
            for name in names:
                file = path / f"{name}.bin"
                if not file.is_file():
                    file = path / name
                if file.is_file():
                    check_size(file, file.stat().st_size)
                    yield name, parse(file.name, file.read_bytes(), path)
            return
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                base = member.name.rsplit("/", 1)[-1]
                stem = base.removesuffix(".bin")
                stream = archive.extractfile(member) if stem in names and member.isfile() else None
                if stream is not None:
                    check_size(path, member.size)
                    yield stem, parse(base, stream.read(), path)


def check_size(path: Path, size: int) -> None:
    """Refuse to read a file that is far too large to be one of the data set's."""
    if size > LARGEST:
        raise YotoError(f"{str(path)!r} should hold files under 64 MiB. Found: one of {size} bytes.")


def parse(name: str, content: bytes, path: Path) -> Batch:
    """Images and labels of one file; `path` is for messages."""
    if name.endswith(".bin"):
        expected = PER_FILE * (1 + PIXELS)
        if len(content) != expected:
            raise YotoError(f"{name} in {str(path)!r} should have {expected} bytes. Found: {len(content)}.")
        records = np.frombuffer(content, np.uint8).reshape(PER_FILE, 1 + PIXELS)
        labels, pixels = records[:, 0], records[:, 1:]
    else:
        labels, pixels = unpickled(name, content, path)
    if labels.max() > 9:
        raise YotoError(f"{name} in {str(path)!r} should have labels 0..9. Found: {labels.max()}.")
    return pixels.reshape(PER_FILE, 3, 32, 32), labels


def unpickled(name: str, content: bytes, path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Labels [10000] and pixels [10000, 3072] of one pickle."""
    try:
        batch = {text(key): value for key, value in read_pickle(content, "bytes").items()}
        pixels, labels = batch["data"], batch["labels"]
        if pixels.dtype != np.uint8 or pixels.shape != (PER_FILE, PIXELS) or len(labels) != PER_FILE:
            raise ValueError("an array of another type or shape")
        return np.asarray([int(label) for label in labels], dtype=np.uint8), pixels
    except ForeignNameError as error:
        raise YotoError(f"{name} in {str(path)!r} should hold nothing but arrays. {error}") from None
    except Exception as error:  # noqa: BLE001 (a damaged pickle can fail in any way)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise YotoError(
            f"{name} in {str(path)!r} should be a batch of 10000 images. Found: damaged data ({reason})."
        ) from None
