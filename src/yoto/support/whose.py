"""Whose code an error comes from: that of yoto and of installed libraries, or of who uses them."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = ("site-packages", "dist-packages")
IN_TEXT = re.compile(r'^ *File "(.+)", line (\d+), in (\S+)$', re.MULTILINE)
LONGEST = 300
"""Characters of an error's own message."""


def blamed(error: BaseException, packages: Collection[str] = ()) -> str | None:
    """One line that says where code of the user's failed and with what; None where none was running.

    The innermost place in such code counts, also where a library it called raised the error. Errors of another process
    are understood too.

    Args:
        error: With its traceback.
        packages: Folders of installed packages that are no libraries here.

    >>> try:
    ...     exec(compile("1 / 0", "my_task.py", "exec"))
    ... except ZeroDivisionError as error:
    ...     blamed(error)
    'your code failed at my_task.py, line 1: ZeroDivisionError: division by zero'
    """
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}".rstrip(": ")
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename, packages):
        return f"your code failed at {near(error.filename)}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    found = [place for place in places(error) if is_users(place[0], packages)]
    if not found:
        return None
    file, line, function = found[-1]
    where = "" if function.startswith("<") else f" in {function}"
    return f"your code failed at {near(file)}, line {line}{where}: {said}"


def places(error: BaseException) -> Iterator[tuple[str, int, str]]:
    """File, line and function of each call on the way to an error, the innermost last."""
    for frame in traceback.extract_tb(error.__traceback__):
        yield frame.filename, frame.lineno or 0, frame.name
    if error.__cause__ is not None and type(error.__cause__).__name__ == "_RemoteTraceback":
        for file, line, function in IN_TEXT.findall(str(error.__cause__)):
            yield file, int(line), function


def is_users(file: str, packages: Collection[str] = ()) -> bool:
    """Whether a file belongs neither to yoto, nor to Python, nor to an installed library."""
    if file.startswith("<"):
        return False
    path = Path(file).resolve()
    if any(path.is_relative_to(Path(package).resolve()) for package in packages):
        return True
    libraries = [str(PACKAGE), *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))]
    return not (
        set(INSTALLED) & set(path.parts) or any(path.is_relative_to(Path(library).resolve()) for library in libraries)
    )


def near(file: str) -> str:
    """A path as seen from the present folder, if it is below."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
