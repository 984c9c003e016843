"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from yoto.errors import YotoError

UMASK = threading.Lock()
"""Held while the process's umask is read, which can only be done by setting it."""
LONGEST_SUFFIX = 16
"""Characters of a suffix that a temporary file keeps."""
UNFINISHED: set[Path] = set()
"""Temporary files of blocks that have not ended."""


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    A file that is replaced hands its mode on, and of a symbolic link the target is replaced. What is no regular file,
    such as /dev/null, is written to.

    Args:
        path: The file to write; its folder is created. The temporary file keeps the suffix, so that
            libraries which choose a format by it work unchanged.

    Raises:
        YotoError: If the folder cannot be made or written to.
        OSError: Of the system, naming `path`.
    """
    check_path(path)
    target = Path(os.path.realpath(path))
    device = is_device(target)
    try:
        if not device:
            target.parent.mkdir(parents=True, exist_ok=True)
        suffix = target.suffix if len(target.suffix) <= LONGEST_SUFFIX else ""
        handle, name = tempfile.mkstemp(prefix=".yoto-", suffix=suffix, dir=None if device else target.parent)
    except OSError as error:
        raise YotoError(
            f"{os.fspath(path)!r} should be in a folder that can be written to. Found: {error.strerror}."
        ) from None
    os.close(handle)
    temporary = Path(name)
    UNFINISHED.add(temporary)
    try:
        with naming(path, temporary):
            yield temporary
            if device:
                with temporary.open("rb") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            else:
                if temporary.exists():
                    temporary.chmod(mode_of(target))
                temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        UNFINISHED.discard(temporary)


def check_path(path: Any) -> None:
    """Refuse what names no file."""
    if not isinstance(path, (str, os.PathLike)):
        raise YotoError(f"A file should be named by a path. Found {path!r}.")


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path` as a whole."""
    with atomic(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def discard_unfinished() -> None:
    """Remove temporary files that blocks of other threads have not finished, for a process that is about to end."""
    for temporary in list(UNFINISHED):
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def naming(path: str | os.PathLike[str], temporary: Path | None = None) -> Iterator[None]:
    """A block in which an error of the system that names no file, or the temporary one, names `path`."""
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None or (temporary is not None and os.fspath(error.filename) == str(temporary))
        if error.errno is None or not unnamed:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def is_device(path: Path) -> bool:
    """Whether a path is there and neither a regular file nor a folder: a device, a pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def mode_of(target: Path) -> int:
    """The permission bits of a file, or those that a new one gets."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        with UMASK:
            umask = os.umask(0)
            os.umask(umask)
        return 0o666 & ~umask
