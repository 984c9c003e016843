"""Ctrl-C ends the program within a second, whatever its threads compute."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from yoto.support.files import discard_unfinished

PATIENCE = 0.6
"""Seconds after Ctrl-C in which the program may end by itself."""
PRESSED = threading.Event()
"""Whether Ctrl-C was raised, which a library that is being imported may catch and stumble over later."""


@contextmanager
def prompt(late: Callable[[], object]) -> Iterator[None]:
    """A block, in the main thread, in which Ctrl-C raises KeyboardInterrupt once and ends the process if that is late.

    Python raises it only when the main thread is back from what it computes in C, and then waits for other threads.
    Blocks that take Ctrl-C for themselves (`yoto.training.signals.StopRequest`) do so here too.

    Args:
        late: Called, in a thread of its own, before the process is ended by force.
    """
    watching, waking = socket.socketpair()
    waking.setblocking(False)
    ended = threading.Event()

    def watch() -> None:
        with watching:
            while number := watching.recv(1):
                if number[0] == signal.SIGINT and not ended.wait(PATIENCE):
                    late()
                    leave(128 + signal.SIGINT)

    PRESSED.clear()
    previous = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(previous)
        waking.close()


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Raise KeyboardInterrupt, and let no second one disturb what follows."""
    PRESSED.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def leave(code: int) -> NoReturn:
    """End the process without waiting for its threads and without files that they have not finished."""
    discard_unfinished()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
