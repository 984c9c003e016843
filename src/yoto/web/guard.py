"""What stands around the application: headers on every answer, who may ask, and how much."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from fastapi import HTTPException as HTTPError  # of these alone FastAPI keeps the status while it reads a body
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yoto.web import site, uploads

PORT = re.compile(r":\d*$")
SILENCE = 30.0
"""Seconds that a request's body may stop coming."""
JSON_BYTES = 64 * 1024
HEADERS = {
    "Content-Security-Policy": f"{site.POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer. WebAssembly is compiled from this server's own files where a page runs a network itself."""


class Measured:
    """Ends a request whose body grows beyond its limit, whatever length it stated, or stops coming. Middleware.

    Args:
        app: What it measures for.
        larger: Bytes at most of bodies that are more than a little JSON, by address; the routes refuse earlier and say
            more.
    """

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        self.app = app
        self.larger = {"/api/pictures": 2 * uploads.BYTES, **larger}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most, found, whole = self.larger.get(scope["path"], JSON_BYTES), 0, False

        async def measured() -> Message:
            nonlocal found, whole
            if whole:
                return await receive()  # waits for the end of the connection
            try:
                async with asyncio.timeout(SILENCE):
                    message = await receive()
            except TimeoutError:
                raise HTTPError(408, f"The request should not stop for {SILENCE:.0f} seconds.") from None
            whole = not message.get("more_body", False)
            found += len(message.get("body", b""))
            if found > most:
                raise HTTPError(413, f"A request here should have at most {most // 1024} kB.")
            return message

        await self.app(scope, measured, send)


class Guard:
    """Headers on every answer; requests go to names of ours, and come from our own pages. The outermost middleware.

    Args:
        app: What it guards.
        allowed: Whether browsers may address the server by a host name, given without its port.
    """

    def __init__(self, app: ASGIApp, allowed: Callable[[str], bool]) -> None:
        self.app, self.allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        head = scope["method"] == "HEAD"  # answered as GET, without the body
        if head:
            scope = {**scope, "method": "GET"}

        async def secured(message: Message) -> None:
            if head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (self.refusal(Request(scope)) or self.app)(scope, receive, secured)

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that is not let in, or None."""
        host = request.headers.get("host", "")
        if not self.allowed(PORT.sub("", host)):
            return said("This server does not answer to that name.", 400)
        origin = request.headers.get("origin")
        elsewhere = request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        posted = request.method == "POST" and origin is not None and origin.partition("://")[2] != host
        if posted or (elsewhere and request.url.path.startswith("/api/")):
            return said("Requests are taken from this server's own pages only.", 403)
        return None


def said(message: str, status: int, **headers: str) -> JSONResponse:
    """An answer in plain words."""
    return JSONResponse({"error": " ".join(message.split())}, status, headers)
