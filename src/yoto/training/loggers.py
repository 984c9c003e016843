"""Where the numbers of a training run go: a CSV file always, TensorBoard if asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from yoto.errors import YotoError
from yoto.support.extras import needed
from yoto.support.files import write_atomic


class Logger(Protocol):
    """Takes one row of numbers at a time."""

    def write(self, row: Mapping[str, float]) -> None:
        """Log `row`, which has the key "step"."""

    def close(self) -> None:
        """Finish writing."""


class CSVLogger:
    """A table with one row per logged step; the first row sets the columns, and every row is on disk at once.

    (That of Lightning Fabric sorts the columns, empties the file on resuming, and chooses its name.)
    """

    def __init__(self, path: Path, *, step: int = 0) -> None:
        """
        Args:
            path: The file.
            step: Rows of an earlier run after this step are dropped, since they are about to be written again.
        """
        self.path = path
        self.columns: list[str] | None = None
        if step and path.exists():
            with path.open(newline="") as file:
                rows = list(csv.reader(file))
            width = len(rows[0]) if rows else 0
            kept = [row for row in rows[1:] if len(row) == width and row[0].isdigit() and int(row[0]) <= step]
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([*rows[:1], *kept])
            write_atomic(path, text.getvalue())
            self.columns = rows[0] if rows else None
        else:
            write_atomic(path, "")

    def write(self, row: Mapping[str, float]) -> None:
        """Append a row; numbers that the first row did not have are left out, missing ones stay empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.columns is None:
            self.columns = list(row)
            writer.writerow(self.columns)
        writer.writerow([spell(row[column]) if column in row else "" for column in self.columns])
        with self.path.open("a", newline="") as file:
            file.write(text.getvalue())

    def close(self) -> None:
        """Nothing is left to do."""


class TensorBoardLogger:
    """Scalars for TensorBoard."""

    def __init__(self, folder: Path, *, step: int = 0) -> None:
        """
        Args:
            folder: Where the event files go.
            step: Entries of an earlier run after this step are hidden.

        Raises:
            YotoError: If tensorboard is not installed.
        """
        with needed("The logger 'tensorboard'"):
            from torch.utils.tensorboard import SummaryWriter
        self.writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, row: Mapping[str, float]) -> None:
        """Log all numbers but the step under their names."""
        for name, value in row.items():
            if name != "step":
                self.writer.add_scalar(name, value, int(row["step"]))

    def close(self) -> None:
        """Flush and close the event file."""
        self.writer.close()


def make_logger(logger: str | Logger, out: Path, step: int) -> Logger:
    """A logger from its name ("csv" or "tensorboard"), or the object that was given."""
    if callable(getattr(logger, "write", None)) and callable(getattr(logger, "close", None)):
        return logger  # type: ignore[return-value]
    if logger == "csv":
        return CSVLogger(out / "log.csv", step=step)
    if logger == "tensorboard":
        return TensorBoardLogger(out / "tensorboard", step=step)
    raise YotoError(f"`loggers` should be 'csv', 'tensorboard' or objects with write and close. Found {logger!r}.")


def spell(value: float) -> str:
    """Whole numbers as such, others with 6 significant digits."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
