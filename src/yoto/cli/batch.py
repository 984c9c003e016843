"""What commands share that turn many files into many files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from yoto.cli import checks
from yoto.cli.output import print_json, table
from yoto.errors import YotoError
from yoto.support.files import naming, write_atomic

T = TypeVar("T")
Inputs = Annotated[list[Path], typer.Argument(metavar="IN", help="Files; - is standard input.")]
FilesOrFolders = Annotated[list[Path], typer.Argument(metavar="IN", help="Files or folders; - is standard input.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", metavar="N", min=1, help="Files at a time [default: the cores there are].")
]


def contents_of(file: Path) -> bytes:
    """The bytes of a file, or of standard input."""
    return sys.stdin.buffer.read() if file == checks.STANDARD else file.read_bytes()


def refuse_mixing(targets: Sequence[Path], as_json: bool) -> None:
    """Refuse JSON and a file on one standard output."""
    if as_json and checks.STANDARD in targets:
        raise checks.UsageError("--json and a file cannot share standard output")


def write_result(to: Path, data: bytes) -> None:
    """Write a result, whole or not at all."""
    if to == checks.STANDARD:
        with naming("standard output"):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    else:
        write_atomic(to, data)


@contextmanager
def named(file: Path) -> Iterator[None]:
    """Errors of the codec with the file's name before them."""
    try:
        yield
    except YotoError as error:
        name = "standard input" if file == checks.STANDARD else str(file)
        raise type(error)(f"{name}: {error}") from None


class BatchError(YotoError):
    """What went wrong with some of several files: `failed` has the errors, each a line of its own."""

    def __init__(self, failed: Sequence[YotoError]) -> None:
        super().__init__("; ".join(map(str, failed)))
        self.failed = failed


@contextmanager
def noted(failed: list[YotoError]) -> Iterator[None]:
    """Work on one of several files: its error joins those that `failed` has, and does not stop the others."""
    try:
        yield
    except YotoError as error:
        failed.append(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        kind = checks.DiskError if error.errno in checks.FULL else YotoError
        failed.append(kind(checks.of_system(error)))


def run(
    pool: ThreadPoolExecutor, files: Sequence[Path], targets: Sequence[Path], work: Callable[[Path, Path], T]
) -> tuple[list[T], list[YotoError]]:
    """Work on all files, with a progress bar for several on a terminal; what came of it, and the errors of the rest."""
    from rich.console import Console
    from rich.progress import track

    futures = [pool.submit(work, file, to) for file, to in zip(files, targets, strict=True)]
    done: list[T] = []
    failed: list[YotoError] = []
    quiet = len(files) == 1 or not sys.stderr.isatty()
    for future in track(futures, "", console=Console(stderr=True), disable=quiet, transient=True):
        with noted(failed):
            done.append(future.result())
    return done, failed


def refuse(failed: Sequence[YotoError]) -> None:
    """Raise the errors of files, if there are any."""
    if failed:
        raise BatchError(failed)


def said(rows: list[dict[str, Any]], failed: Sequence[YotoError], as_json: bool, columns: Sequence[str]) -> None:
    """Print what came of the files, JSON on standard output or a table on stderr, and raise the errors of the rest."""
    if as_json:
        print_json(rows)
    elif rows and all(row["output"] != "-" for row in rows):
        print(table(columns, [[row[name] for name in columns] for row in rows]), file=sys.stderr)
    refuse(failed)
