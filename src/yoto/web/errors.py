"""Answers that are no picture."""

from __future__ import annotations

from collections.abc import Callable

from yoto.errors import YotoError


class BusyError(YotoError):
    """The machine has enough to do: the request is to be made again after `seconds`."""

    def __init__(self, message: str, seconds: int = 1) -> None:
        super().__init__(message)
        self.seconds = seconds


class GoneError(YotoError):
    """What was asked for is not kept, or not kept any longer."""


class TooLargeError(YotoError):
    """An upload beyond the limit on its bytes."""


class StoppedError(YotoError):
    """Nobody waits for the result any longer."""


def go_on(stopped: Callable[[], bool]) -> None:
    """Raise a StoppedError where nobody waits any longer."""
    if stopped():
        raise StoppedError("The result is not wanted any longer.")
