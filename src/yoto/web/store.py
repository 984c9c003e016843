"""What the server keeps for its clients, in memory and within bounds. Nothing is written to disk."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from yoto.web.errors import GoneError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A kept value: its size in bytes, whose it is, and when it was last used (seconds of the clock)."""

    value: T
    size: int
    owner: str
    used: float


class Store(Generic[T]):
    """Values under names that cannot be guessed. The one unused for longest gives way. Safe in threads.

    Args:
        what: What a value is called where it is gone.
        most: Bytes of all values together; a larger value is kept alone.
        each: Values per owner.
        seconds: After which a value that nobody used is dropped.
    """

    def __init__(
        self, what: str, most: int, each: int, seconds: float = 1800.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what, self.most, self.each, self.seconds, self.clock = what, most, each, seconds, clock
        self.entries: OrderedDict[str, Entry[T]] = OrderedDict()
        self.size = 0
        self.lock = threading.Lock()

    def put(self, value: T, size: int, owner: str) -> str:
        """Keep a value; its name."""
        name = secrets.token_urlsafe(16)
        with self.lock:
            self._drop_old()
            own = [key for key, entry in self.entries.items() if entry.owner == owner]
            for key in own[: max(0, len(own) + 1 - self.each)]:
                self._drop(key)
            while self.entries and self.size + size > self.most:
                self._drop(next(iter(self.entries)))
            self.entries[name] = Entry(value, size, owner, self.clock())
            self.size += size
        return name

    def get(self, name: str) -> T:
        """A kept value.

        Raises:
            GoneError: If it is not there, or no longer.
        """
        with self.lock:
            self._drop_old()
            entry = self.entries.get(name)
            if entry is None:
                raise GoneError(f"This {self.what} is no longer kept here. Open it again.")
            self.entries[name] = Entry(entry.value, entry.size, entry.owner, self.clock())
            self.entries.move_to_end(name)
            return entry.value

    def expire(self) -> None:
        """Drop what nobody has used for too long; to be called now and then, for a server that stands idle."""
        with self.lock:
            self._drop_old()

    def _drop(self, name: str) -> None:
        self.size -= self.entries.pop(name).size

    def _drop_old(self) -> None:
        before = self.clock() - self.seconds
        while self.entries and next(iter(self.entries.values())).used < before:
            self._drop(next(iter(self.entries)))
