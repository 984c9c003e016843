"""What readers of arrays share: files may be damaged or hostile; nothing in them runs, and a failure is one line."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yoto.errors import YotoError

NUMBERS = re.compile(r"[biuf][1248]")
"""Types of arrays in pickles that are read."""


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as people write it: 10x64x64x3."""
    return "x".join(map(str, shape))


def check_bytes(array: Any, shape: tuple[int, ...], holder: str, advice: str = "") -> None:
    """Refuse an array, or what has its `shape` and `dtype`, unless it is uint8 of the shape.

    Args:
        holder: What the message says it is in.
        advice: What it adds.
    """
    if array.shape != shape or array.dtype != np.uint8:
        raise YotoError(
            f"{holder} should hold bytes of shape {shape_text(shape)}. Found: {array.dtype} of shape "
            f"{shape_text(array.shape)}.{advice}"
        )


@contextmanager
def whole(path: Path, archive: str, kind: str) -> Iterator[None]:
    """A block that reads a packed file; its failures become one line.

    Args:
        path: The file.
        archive, kind: What it should be if it is damaged, and if it cannot be read.
    """
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise YotoError(
            f"{str(path)!r} should be {archive}. Found: damaged data ({error}). Usually: a download "
            "that was cut off; delete the file and fetch it again."
        ) from None
    except OSError as error:
        raise YotoError(f"{str(path)!r} should be {kind}. Found: {error.strerror}.") from None


class ForeignNameError(YotoError):
    """A pickle asks for something other than arrays; `name` says what."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Found: the name {name}, which was not looked up.")
        self.name = name


def read_pickle(content: bytes, encoding: str) -> Any:
    """Arrays of numbers in built-in containers, from a pickle of which nothing is imported or called.

    Args:
        content: The pickle.
        encoding: Of Python 2's strings, as `pickle.loads` takes it.

    Raises:
        ForeignNameError: If it names anything else.
        Exception: Whatever a damaged pickle runs into.
    """
    return filled(Reader(io.BytesIO(content), encoding=encoding).load())


def filled(value: Any) -> Any:
    """A value with every stand-in replaced by its array."""
    if isinstance(value, StoredArray):
        return value.array()
    if isinstance(value, dict):
        return {key: filled(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(filled(each) for each in value)
    return value


class Reader(pickle.Unpickler):
    """An unpickler for arrays which puts its own inert classes in the place of NumPy's."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for `module.name`; anything unknown is refused."""
        known: dict[tuple[str, str], Any] = {
            ("numpy.core.multiarray", "_reconstruct"): StoredArray,
            ("numpy._core.multiarray", "_reconstruct"): StoredArray,
            ("numpy", "ndarray"): None,
            ("numpy", "dtype"): StoredType,
            ("_codecs", "encode"): latin,
        }
        if (module, name) not in known:
            raise ForeignNameError(f"{module}.{name}")
        return known[module, name]


class StoredArray:
    """The state of a pickled NumPy array, not interpreted until `array`."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> npt.NDArray[Any]:
        """The array, not to be written to."""
        _, shape, dtype, columnwise, raw = self.state
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        return np.frombuffer(data, dtype.dtype()).reshape(shape, order="F" if columnwise else "C")


class StoredType:
    """The name of a pickled NumPy type, for example "u1", and its byte order."""

    def __init__(self, code: Any, *arguments: Any) -> None:
        self.code, self.order = text(code), "="

    def __setstate__(self, state: Any) -> None:
        self.order = text(state[1])

    def dtype(self) -> np.dtype[Any]:
        """The type, where it is one of numbers."""
        if not NUMBERS.fullmatch(self.code):
            raise ValueError(f"an array of the type {self.code!r}")
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


def text(value: str | bytes) -> str:
    """Text that Python 2 wrote as bytes."""
    return value.decode("latin1") if isinstance(value, bytes) else value


def latin(written: str, encoding: str | bytes) -> bytes:
    """Bytes as some pickles of protocol 2 write them, as Latin-1 text."""
    if text(encoding) != "latin1":
        raise ValueError(f"encoding {encoding!r}")
    return written.encode("latin1")
