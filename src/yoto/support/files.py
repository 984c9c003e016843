"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yoto.errors import YotoError

UMASK = threading.Lock()
"""Held while the process's umask is read, which can only be done by setting it."""


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    Args:
        path: The file to write; its folder is created. The temporary file keeps the suffix, so that
            libraries which choose a format by it work unchanged.

    Raises:
        YotoError: If the folder cannot be made or written to.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise YotoError(
            f"{str(target)!r} should be in a folder that can be written to. Found: {error.strerror}."
        ) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if temporary.exists():
            with UMASK:
                umask = os.umask(0)
                os.umask(umask)
            temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path` as a whole."""
    with atomic(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
