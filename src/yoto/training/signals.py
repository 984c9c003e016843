"""Ctrl-C, SIGTERM and a closed terminal as a request to stop after the present step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""SIGINT, SIGTERM and, where the platform has it, SIGHUP."""


class StopRequest:
    """A block in which the first SIGINT, SIGTERM or SIGHUP only sets `signal`; a second one acts as it did before.

    Handlers are installed in the main thread only, where Python allows it, and restored at the end. A SIGHUP that is
    ignored, as under nohup, stays so. Whoever watches for signals (`signal.set_wakeup_fd`) does not see the first.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[int, Any] = {}
        self.watcher = -1

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self.watcher = signal.set_wakeup_fd(-1)
            for number in STOPPING:
                if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) != signal.SIG_IGN:
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
        if self.previous:
            signal.set_wakeup_fd(self.watcher, warn_on_full_buffer=False)
        while self.previous:
            number, handler = self.previous.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
