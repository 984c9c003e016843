"""What commands print: JSON for programs, aligned columns for people."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from yoto.support.tables import aligned


def print_json(data: Any) -> None:
    """Print `data` as JSON; numbers that JSON lacks (NaN, infinities) are an internal error."""
    narrow = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    text = json.dumps(data, indent=2, ensure_ascii=narrow, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file's name that is no text
        text = json.dumps(data, indent=2, allow_nan=False)
    print(text)


WORDS = {"λ": "lambda", "β": "beta", "γ": "gamma", "Σ": "sum", "≥": ">=", "≤": "<=", "×": "x", "→": "->", "…": "..."}
"""What stands for a letter that the terminal's code page does not have; "?" for others."""


def spelt_out(error: UnicodeError) -> tuple[str, int]:
    """The handler of errors for what a stream cannot encode."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(WORDS.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def complete_streams() -> None:
    """Stand in for standard streams that are closed, before a file of ours takes their place.

    Reading finds nothing, writing to standard output fails, and what goes to stderr is lost.
    """
    for name, mode, way in (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, way), mode, encoding="utf-8"))


def drop_output() -> None:
    """Forget what standard output did not take, so that Python does not complain about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def spell_out() -> None:
    """Let the standard streams spell out what their code page does not have, in place of failing."""
    codecs.register_error("yoto", spelt_out)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="yoto")


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns two spaces apart: text to the left, numbers (four significant digits) to the right."""
    right = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(titles))]
    return aligned(titles, [[cell(entry) for entry in row] for row in rows], right=right)


def cell(entry: Any) -> str:
    """One entry of a table as text."""
    if entry is None:
        return "-"
    return f"{entry:.4g}" if isinstance(entry, float) else str(entry)


def note(text: str) -> None:
    """A line for a person who watches: on stderr, so that stdout stays the result."""
    print(text, file=sys.stderr)


SHOWN: list[Any] = []
"""Bars on the terminal."""


def bar(label: str = "") -> Callable[[int, int], None]:
    """A function of done and total that shows progress with the time left on a terminal, and nothing elsewhere.

    The bar appears with the first call and goes at the end, or with `settle`.
    """
    if not sys.stderr.isatty():
        return lambda *_: None
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task(label)

    def move(done: int, total: int) -> None:
        if progress not in SHOWN and done < total:
            SHOWN.append(progress)
            progress.start()
        progress.update(task, completed=done, total=total)
        if done >= total and progress in SHOWN:
            SHOWN.remove(progress)
            progress.stop()

    return move


def settle() -> None:
    """Take bars off the terminal that an error left there, and give its cursor back."""
    while SHOWN:
        SHOWN.pop().stop()
