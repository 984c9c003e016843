"""Who may compute when: one job at a time per client, few at a time in all, and a short queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from yoto.errors import YotoError
from yoto.web.errors import BusyError

T = TypeVar("T")


class Desk:
    """Runs jobs in threads of its own. To be used from one event loop.

    Args:
        workers: Jobs at a time. Each uses all cores, so more of them make none faster.
        places: Jobs at a time and in the queue together; beyond that a request is answered "busy" at once.
    """

    def __init__(self, workers: int = 1, places: int = 8) -> None:
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="yoto-job")
        self.places = places
        self.clients: set[str] = set()
        self.uploads = 0
        self.turn = asyncio.Semaphore(workers)

    async def run(self, client: str, job: Callable[[], T], gone: Callable[[], Awaitable[bool]] | None = None) -> T:
        """What a job returns, once it is its turn.

        Args:
            client: Who asks.
            job: What to compute, in a thread.
            gone: Tells whether the client still waits; if not, the job is not begun.

        Raises:
            BusyError: If the client has a job here already, all places are taken, or the client left.
        """
        if client in self.clients:
            raise BusyError("Your last picture is still being computed.")
        if len(self.clients) >= self.places:
            raise BusyError("Too many people are computing pictures here at this moment.", seconds=2)
        self.clients.add(client)
        try:
            async with self.turn:
                if gone is not None and await gone():
                    raise BusyError("The client left before its turn.")
                return await asyncio.get_running_loop().run_in_executor(self.pool, job)
        finally:
            self.clients.discard(client)

    @asynccontextmanager
    async def receiving(self, places: int = 4, seconds: float = 60.0) -> AsyncIterator[None]:
        """A block in which an upload is read into memory: few at a time, and none that trickles in for ever.

        Raises:
            BusyError: If too many are on their way.
            YotoError: If this one took too long.
        """
        if self.uploads >= places:
            raise BusyError("Too many files are being sent here at this moment.", seconds=2)
        self.uploads += 1
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise YotoError(f"The file should arrive within {seconds:.0f} seconds.") from None
        finally:
            self.uploads -= 1

    def close(self) -> None:
        """Let the present job end and take no other."""
        self.pool.shutdown(wait=False, cancel_futures=True)
