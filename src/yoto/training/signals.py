"""Ctrl-C and SIGTERM as a request to stop after the present step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """A block in which the first SIGINT or SIGTERM only sets `signal`; a second one acts as it did before.

    Handlers are installed in the main thread only, where Python allows it, and restored at the end.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self.receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        self.signal = number
        self.restore()

    def restore(self) -> None:
        """Put the earlier handlers back."""
        while self.previous:
            number, handler = self.previous.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
