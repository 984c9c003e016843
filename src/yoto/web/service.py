"""What the routes of all pages share: pictures that came in, results that go out, and whose turn it is."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import Request

from yoto.web import uploads
from yoto.web.desk import Desk
from yoto.web.errors import TooLargeError
from yoto.web.outcome import Outcome
from yoto.web.store import Store

if TYPE_CHECKING:
    from yoto.web.page import Page

CLIENT = re.compile(r"[A-Za-z0-9_-]{8,64}")
RESULTS = 256 * uploads.MEGABYTE
"""Bytes of results that are kept."""
LARGE = 1_000_000
"""Pixels from which on a picture takes so long that previews go past it."""
PER_CLIENT = 12
"""Results kept per client: the last few pictures with their files."""


class Server:
    """What the routes share.

    Args:
        desk: Who may compute when.

    Attributes:
        whole: The desk of large pictures' results at full size, which never stand before a preview.
        beside: The desk of what is made beside a result.
        pages: By name.
        infos: What the script of each is told.
        glimpses: What the start page shows of each, once it was asked for; one is made at a time.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.whole, self.beside = Desk(), Desk()
        self.pages: dict[str, Page] = {}
        self.infos: dict[str, dict[str, Any]] = {}
        self.glimpses: dict[str, dict[str, Any]] = {}
        self.glimpsing = asyncio.Lock()
        self.album = uploads.Album()
        self.results: Store[Outcome] = Store("result", RESULTS, PER_CLIENT)

    async def job(self, request: Request, work: Callable[[], Any], beside: str = "") -> Any:
        """What a job returns, at the client's turn; one that has a name may wait beside the client's other one."""
        return await self.desk.run(client_of(request) + beside, work, request.is_disconnected)

    async def long_job(
        self, request: Request, work: Callable[[Callable[[], bool]], Any], *, pixels: int = LARGE, beside: bool = False
    ) -> Any:
        """What a job returns that takes a while: it may end early, and of a large picture it stands before no preview.

        Args:
            work: Called with a function that tells whether nobody waits for it any longer.
            pixels: Of the picture; a small one is done at the desk of previews, whose thread is warm.
            beside: Whether it is no result, but something that is made while there is nothing else to do.
        """
        stop = threading.Event()
        desk = self.beside if beside else self.whole if pixels >= LARGE else self.desk
        return await desk.run(client_of(request), lambda: work(stop.is_set), request.is_disconnected, stop)

    def close(self) -> None:
        """Let the present jobs end and take no others."""
        for desk in (self.desk, self.whole, self.beside):
            desk.close()

    async def tidy(self, seconds: float = 60.0) -> None:
        """Drop what nobody has used for half an hour, also where nobody comes any more."""
        while True:
            await asyncio.sleep(seconds)
            self.album.store.expire()
            self.results.expire()

    def kept(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        """Keep an outcome; what the page is told of it, its name as "id" among it, or a preview as "inline"."""
        if outcome.inline:
            return {**outcome.facts, "inline": outcome.inline}
        size = len(outcome.picture) + len(outcome.file) + 1024
        return {**outcome.facts, "id": self.results.put(outcome, size, client_of(request))}


def client_of(request: Request) -> str:
    """Who asks: the name that a page gave itself, with the address it comes from."""
    given = request.headers.get("x-yoto-client", "")
    address = request.client.host if request.client is not None else ""
    return f"{address}/{given}" if CLIENT.fullmatch(given) else address


def refuse_length(request: Request, most: int) -> None:
    """Refuse a body whose stated length is beyond the limit before it is read."""
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > most:
        raise TooLargeError(f"The file should have at most {most // uploads.MEGABYTE} MB. Found more.")
