"""What a command can check before it imports anything heavy: values, inputs, outputs."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from yoto.errors import YotoError, near_misses
from yoto.support import locks
from yoto.support.files import is_device

STANDARD = Path("-")
OUTPUT_DEVICE = Path("/dev/stdout")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Numbers of the errors of a disk that is full or fails."""


class UsageError(YotoError):
    """A command line that cannot be understood: the message is followed by a pointer to the command's help."""


class DiskError(YotoError):
    """A disk that is full or fails: no fault of what was given."""


def of_system(error: OSError) -> str:
    """What is said of an error of the system: the file, where it names one, and what is wrong."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def value(text: str) -> float | str:
    """A number where `text` is one, else the text (the name of an option of a `Choice`)."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def numbers(text: str, option: str) -> list[float]:
    """The numbers of "0.5,2,8", in the order given.

    Raises:
        UsageError: If there is none, or one is no finite number.
    """
    try:
        result = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        result = []
    if not all(map(math.isfinite, result)) or not result:
        raise UsageError(f"{option} should be a number or several with commas, such as 0.5,2,8. Found {text!r}")
    return result


def lists(texts: Sequence[str], option: str) -> dict[str, list[float | str]]:
    """Values by name of ["kl=0.5,2,8", …]; a name given twice has the values of both.

    Raises:
        UsageError: If a text is not of the form NAME=VALUE[,VALUE…].
    """
    result: dict[str, list[float | str]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        parsed = [value(part) for part in values.split(",") if part.strip()]
        if not name.strip() or not parsed:
            raise UsageError(f"{option} should be NAME=VALUE[,VALUE…], such as kl=0.5,2,8. Found {text!r}")
        if "=" in values:
            several = " ".join(f"{option} {part}" for part in more_names(text))
            raise UsageError(f"{option} should be repeated for each name: {several}. Found {text!r}")
        result.setdefault(name.strip(), []).extend(parsed)
    return result


def more_names(text: str) -> list[str]:
    """The parts of "a=1,2,b=3" that begin with a name: ["a=1,2", "b=3"]."""
    parts: list[str] = []
    for part in text.split(","):
        if "=" in part or not parts:
            parts.append(part.strip())
        else:
            parts[-1] += f",{part.strip()}"
    return parts


def point(texts: Sequence[str], option: str) -> dict[str, float | str]:
    """One value by name of ["kl=4", …], errors as of `lists`."""
    result: dict[str, float | str] = {}
    for name, values in lists(texts, option).items():
        if len(values) != 1:
            raise UsageError(f"{option} should give one value of {name!r}. Found {len(values)}")
        result[name] = values[0]
    return result


def choice(text: str, known: Sequence[str], option: str) -> str:
    """The text itself, once it is known to be one of a few.

    Raises:
        UsageError: If it is not.
    """
    if text not in known:
        raise UsageError(
            f"{option} should be one of {', '.join(known)}. Found {text!r}.{near_misses(text, tuple(known))}"
        )
    return text


def settings(texts: Sequence[str]) -> list[str]:
    """The `key=value` arguments of a recipe, each checked to be one."""
    for text in texts:
        if not text.partition("=")[0].strip() or "=" not in text:
            raise UsageError(f"a setting should be KEY=VALUE, such as training.steps=500. Found {text!r}")
    return list(texts)


def inputs(paths: Sequence[Path]) -> list[Path]:
    """The paths themselves, once each is known to be a file that can be read, or "-".

    Raises:
        UsageError: Naming those that are not.
    """
    faults = []
    for path in paths:
        if path == STANDARD:
            continue
        if not there(path):
            faults.append(f"input {str(path)!r} does not exist")
        elif path.is_dir() or not os.access(path, os.R_OK):
            faults.append(f"input {str(path)!r} should be a file that can be read")
    if faults:
        raise UsageError("; ".join(faults))
    return list(paths)


def output_file(path: Path, *, force: bool) -> Path:
    """The path itself, once it is known that a file can be written there; "-" where it is standard output.

    A device or pipe, such as /dev/null, is written to with or without `force`.

    Raises:
        UsageError: If it exists and `force` is not given, is a folder or a link to nothing, its name is too long, or
            its folder cannot be written to.
    """
    if path in (STANDARD, OUTPUT_DEVICE):
        return STANDARD
    nameable(path)
    if path.is_dir():
        raise UsageError(f"-o should be a file. Found the folder {str(path)!r}")
    if is_device(path):
        if not os.access(path, os.W_OK):
            raise UsageError(f"output {str(path)!r} cannot be written")
        return path
    if (path.is_symlink() or there(path)) and not force:
        if there(path):
            raise UsageError(f"output {str(path)!r} exists; --force replaces it")
        raise UsageError(
            f"output {str(path)!r} is a link to {os.path.realpath(path)!r}, which does not exist; --force writes there"
        )
    writable(Path(os.path.realpath(path)))
    return path


def output_folder(path: Path, *, force: bool) -> Path:
    """The path itself, once it is known that files can be written into a folder there; errors as of `output_file`.

    A folder that is there and empty is fine without `force`.
    """
    nameable(path)
    if path.exists() and not path.is_dir():
        raise UsageError(f"-o should be a folder. Found the file {str(path)!r}")
    if path.is_dir() and any(entry.name != locks.NAME for entry in path.iterdir()) and not force:
        raise UsageError(f"output {str(path)!r} exists and is not empty; --force writes into it")
    writable(path / "file")
    return path


def folder_named(base: str, name: str) -> Path:
    """The folder that a recipe's name gives below `base`.

    Raises:
        UsageError: If it would be another, as "../x" or an empty name are.
    """
    if not name.strip() or ".." in Path(name).parts or Path(name).is_absolute() or Path(name) == Path():
        raise UsageError(f"a folder below {base!r} cannot be called {name!r}, as the recipe is: give -o")
    return Path(base) / name


def there(path: Path) -> bool:
    """Whether something can be reached under a path."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def nameable(path: Path) -> None:
    """Refuse a path that no file can have, such as one with a name that is too long, also in folders to be made."""
    places = [path, *path.parents]
    present = next((place for place in places if there(place)), Path())
    try:
        for place in places:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                (present / place.name).lstat()
    except OSError as error:
        raise UsageError(f"output {str(path)!r} cannot be written: {error.strerror}") from None


def writable(path: Path) -> None:
    """Refuse a path whose nearest existing parent is no folder that can be written to, by writing there.

    Permission bits alone do not tell: not for the superuser, on a read-only file system or in /proc.
    """
    parent = path.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    probe = parent / f".yoto-{os.getpid()}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL))
        probe.unlink()
    except OSError as error:
        raise UsageError(f"output {str(path)!r} cannot be written: {str(parent)!r}: {error.strerror}") from None
