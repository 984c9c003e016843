"""A lock on a folder that ends with the process that holds it, however that dies."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yoto.errors import YotoError

NAME = ".lock"
"""The file in the folder on which the operating system keeps the lock; one that is left over locks nothing."""
TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What the systems say of a lock that another holds."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """A block in which no other process is in such a block for the same folder, which is created.

    On file systems without locks nothing is held.

    Raises:
        YotoError: At once, if another process is, or if the folder cannot be written to.
    """
    new = not folder.exists()
    file = taken(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed, it may stay
            (folder / NAME).unlink()
        os.close(file)
        if new:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def check_free(folder: Path) -> None:
    """Refuse a folder in which another process is in such a block now; errors as of `alone_in`."""
    if (folder / NAME).exists():
        with alone_in(folder):
            pass


def taken(folder: Path) -> int:
    """The open file that carries the lock on a folder; errors as of `alone_in`."""
    path = folder / NAME
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise YotoError(
                f"{str(folder)!r} should be a folder that can be written to. Found: {error.strerror}."
            ) from None
        try:
            lock(file)
        except OSError as error:
            if error.errno in TAKEN:
                os.close(file)
                raise YotoError(
                    f"{str(folder)!r} should be a folder that nobody else works in. Found another yoto that does. "
                    "Wait until it has ended, or give another folder."
                ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)  # its last holder removed it meanwhile: lock the one that others find


def lock(file: int) -> None:
    """Take the operating system's lock on an open file, or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
