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
from yoto.support.files import write_atomic

T = TypeVar("T")
Inputs = Annotated[list[Path], typer.Argument(metavar="IN", help="Files; - is standard input.")]
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


def run(
    pool: ThreadPoolExecutor, files: Sequence[Path], targets: Sequence[Path], work: Callable[[Path, Path], T]
) -> list[T]:
    """Work on all files, with a progress bar for several on a terminal.

    One that fails does not stop the others; its error is raised at the end.

    Raises:
        YotoError: The error of the first file that failed, and how many others did.
    """
    from rich.console import Console
    from rich.progress import track

    futures = [pool.submit(work, file, to) for file, to in zip(files, targets, strict=True)]
    done: list[T] = []
    failed: list[YotoError] = []
    quiet = len(files) == 1 or not sys.stderr.isatty()
    for future in track(futures, "", console=Console(stderr=True), disable=quiet, transient=True):
        try:
            done.append(future.result())
        except YotoError as error:
            failed.append(error)
    refuse(failed, len(files))
    return done


def refuse(failed: Sequence[YotoError], count: int) -> None:
    """Raise the first of several errors, saying how many of `count` files failed beside it."""
    if failed:
        more = f" ({len(failed) - 1} more of {count} files failed)" if len(failed) > 1 else ""
        raise type(failed[0])(f"{failed[0]}{more}")


def said(rows: list[dict[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    """Print what came of the files: JSON on standard output, or a table on stderr."""
    if as_json:
        print_json(rows)
    elif all(row["output"] != "-" for row in rows):
        print(table(columns, [[row[name] for name in columns] for row in rows]), file=sys.stderr)
