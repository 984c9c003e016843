"""Errors of the codec."""

from __future__ import annotations

from yoto.errors import YotoError


class FileError(YotoError):
    """A file that is no `.yoto` file, or is damaged: it is refused, never decoded into garbage."""


def damaged(what: str) -> FileError:
    """The error for a file whose contents contradict themselves."""
    return FileError(f"The .yoto file is damaged: {what}. Get the file anew.")
