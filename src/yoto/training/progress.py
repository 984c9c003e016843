"""Progress for people: a bar on a terminal, else a line on stderr now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

INTERVAL = 30.0
"""Seconds between lines."""
REDRAW = 0.2
"""Seconds between looks at the bar."""


class Progress:
    """Shows step, loss, speed and the time left.

    A bar (rich) is drawn only where stderr is a terminal; elsewhere a line is written every 30 seconds and at the
    end. The time left is judged from this process's own steps.
    """

    def __init__(self, steps: int, start: int, *, label: str, shown: bool = True) -> None:
        """
        Args:
            steps: Length of the whole run.
            start: Steps done by earlier processes.
            label: Name of the run.
            shown: False for silence.
        """
        self.steps, self.start, self.label, self.shown = steps, start, label, shown
        self.begin = self.last = time.monotonic()
        self.bar: Any = None
        if shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(),
            )
            self.bar = Bar(*columns, console=Console(stderr=True), transient=False)
            self.task = self.bar.add_task(label, total=steps, completed=start, figures="")
            self.bar.start()

    def move(self, step: int) -> None:
        """`step` steps are done; called after each, and redraws a few times a second at most."""
        if self.bar is not None and time.monotonic() - self.last >= REDRAW:
            self.last = time.monotonic()
            self.bar.update(self.task, completed=step)

    def report(self, step: int, row: Mapping[str, float]) -> None:
        """`row` has the logged numbers after `step` steps."""
        if self.bar is not None:
            self.bar.update(self.task, completed=step, figures=f"loss {row['loss']:.5g}")
            return
        now = time.monotonic()
        if self.shown and (now - self.last >= INTERVAL or step >= self.steps):
            self.last = now
            speed = (step - self.start) / max(1e-9, now - self.begin)
            left = f", about {clock((self.steps - step) / speed)} left" if step < self.steps else ""
            text = f"{self.label}: step {step} of {self.steps}, loss {row['loss']:.5g}, {speed:.3g} steps/s{left}"
            print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """A line that is to be seen, whatever else is shown."""
        if self.bar is not None:
            self.bar.console.print(text, style="bold", markup=False)
        elif self.shown:
            print(f"{self.label}: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the terminal in order."""
        if self.bar is not None:
            self.bar.stop()


def clock(seconds: float) -> str:
    """A duration as 0:42, 12:05 or 3:07:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
