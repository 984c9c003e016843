"""Who may compute when: one job at a time per client, few at a time in all, and a short queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from yoto.errors import YotoError
from yoto.web.errors import BusyError

T = TypeVar("T")
LOOK = 0.1
"""Seconds between two looks whether a client still waits."""
PARTING = 1.0
"""Seconds that a client's next job waits for it to be noticed that nobody waits for the last one."""


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
        self.stoppable: set[str] = set()  # of these, those whose job ends early where they leave
        self.uploads = 0
        self.turn = asyncio.Semaphore(workers)

    async def run(
        self,
        client: str,
        job: Callable[[], T],
        gone: Callable[[], Awaitable[bool]] | None = None,
        stop: threading.Event | None = None,
    ) -> T:
        """What a job returns, once it is its turn.

        Args:
            client: Who asks.
            job: What to compute, in a thread.
            gone: Tells whether the client still waits; if not, the job is not begun.
            stop: Set when the client leaves while its job runs, which may then end early; the client may come again
                at once.

        Raises:
            BusyError: If the client has a job here already, all places are taken, or the client left.
        """
        await self.admit(client)
        self.clients.add(client)
        if stop is not None:
            self.stoppable.add(client)
        left = ended = False

        async def watch() -> None:
            nonlocal left
            while gone is not None and not await gone():  # which may swallow a cancellation
                if ended:
                    return
                await asyncio.sleep(LOOK)
            if ended:
                return
            left = True
            if stop is not None:
                stop.set()
            self.dismiss(client)

        watching = asyncio.create_task(watch()) if gone is not None and stop is not None else None
        try:
            async with self.turn:
                if left or (gone is not None and watching is None and await gone()):
                    raise BusyError("The client left before its turn.")
                return await asyncio.get_running_loop().run_in_executor(self.pool, job)
        finally:
            if watching is not None:
                ended = True
                watching.cancel()
            if not left:
                self.dismiss(client)

    async def admit(self, client: str) -> None:
        """Wait for a job that the client gave up; refuse one that is too many.

        Raises:
            BusyError: If the client has a job here already, or all places are taken.
        """
        waited = 0.0
        while client in self.stoppable and waited < PARTING:
            await asyncio.sleep(LOOK / 2)
            waited += LOOK / 2
        if client in self.clients:
            raise BusyError("Your last picture is still being computed.")
        if len(self.clients) >= self.places:
            raise BusyError("Too many people are computing pictures here at this moment.", seconds=2)

    def dismiss(self, client: str) -> None:
        """Let a client come again."""
        self.clients.discard(client)
        self.stoppable.discard(client)

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
