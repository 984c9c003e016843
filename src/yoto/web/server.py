"""The web application: pages, models' facts, and jobs. All that it keeps is in memory and bounded."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi import HTTPException as HTTPError  # of these alone FastAPI keeps the status while it reads a body
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yoto.apps.codec.page import Compression, classic
from yoto.apps.style.page import Style
from yoto.apps.vae.page import Autoencoders
from yoto.errors import YotoError
from yoto.web import site, uploads
from yoto.web.desk import Desk
from yoto.web.errors import BusyError, GoneError, TooLargeError
from yoto.web.models import Models
from yoto.web.outcome import Outcome
from yoto.web.own import Own
from yoto.web.site import STATIC
from yoto.web.store import Store

log = logging.getLogger("yoto.web")
PORT = re.compile(r":\d*$")
CLIENT = re.compile(r"[A-Za-z0-9_-]{8,64}")
RESULTS = 256 * uploads.MEGABYTE
"""Bytes of results that are kept."""
PER_CLIENT = 12
"""Results kept per client: the last few pictures with their files."""
SILENCE = 30.0
"""Seconds that a request's body may stop coming."""
FILE_BYTES = 64 * uploads.MEGABYTE
JSON_BYTES = 64 * 1024
BODIES = {"/api/pictures": 2 * uploads.BYTES, "/api/compression/decode": 2 * FILE_BYTES}
"""Bytes of requests' bodies at most, where they are more than JSON_BYTES; the routes refuse earlier and say more."""
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
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".wasm": "application/wasm", ".svg": "image/svg+xml",
    ".onnx": "application/octet-stream", ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
"""Kinds of static files; no other is served."""

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=100)]


class Body(BaseModel):
    """What a page asks for; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class EncodeBody(Body):
    """A picture to code, and one target."""

    picture: Name
    target: Annotated[dict[Literal["quality", "bpp", "psnr", "size"], Finite], Field(min_length=1, max_length=1)]
    preview: bool = False


class ClassicBody(Body):
    """A picture, and the size of the file that another format is to have."""

    picture: Name
    kind: Literal["JPEG", "WebP"]
    size: Annotated[int, Field(ge=1)]


class PaintBody(Body):
    """A picture and the settings of style transfer."""

    picture: Name
    style: Annotated[dict[Name, Finite], Field(min_length=1, max_length=2)]
    strength: Share
    layers: Annotated[dict[Name, Finite], Field(max_length=8)] = {}
    smoothness: Finite | None = None
    keep_colours: bool = False
    preview: bool = False


class ShowBody(Body):
    """A VAE at a value of β."""

    model: Name
    beta: Finite
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    picture: Name | None = None
    traverse: Annotated[int, Field(ge=0, le=100)] = 0


class PointBody(Body):
    """A setting of the loss parameters of the user's model."""

    values: Annotated[dict[Name, Finite | Name | dict[Name, Finite]], Field(max_length=64)]


class Measured:
    """Ends a request whose body grows beyond its limit, whatever length it stated, or stops coming. Middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most, found, whole = BODIES.get(scope["path"], JSON_BYTES), 0, False

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


class Server:
    """What the routes share.

    Args:
        models: Behind the pages.
        desk: Who may compute when.
    """

    def __init__(self, models: Models, desk: Desk) -> None:
        self.models, self.desk = models, desk
        self.album = uploads.Album()
        self.results: Store[Outcome] = Store("result", RESULTS, PER_CLIENT)
        self.infos = models.infos()

    async def job(self, request: Request, work: Callable[[], Any], beside: str = "") -> Any:
        """What a job returns, at the client's turn; one that has a name may wait beside the client's other one."""
        return await self.desk.run(client_of(request) + beside, work, request.is_disconnected)

    async def tidy(self, seconds: float = 60.0) -> None:
        """Drop what nobody has used for half an hour, also where nobody comes any more."""
        while True:
            await asyncio.sleep(seconds)
            self.album.store.expire()
            self.results.expire()

    def kept(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        """Keep an outcome; what the page is told of it, its name as "id" among it."""
        size = len(outcome.picture) + len(outcome.file) + 1024
        return {**outcome.facts, "id": self.results.put(outcome, size, client_of(request))}


def client_of(request: Request) -> str:
    """Who asks: the name that a page gave itself, with the address it comes from."""
    given = request.headers.get("x-yoto-client", "")
    address = request.client.host if request.client is not None else ""
    return f"{address}/{given}" if CLIENT.fullmatch(given) else address


def local(host: str) -> bool:
    """Whether a host name is one of this machine for itself."""
    return host in ("127.0.0.1", "localhost", "[::1]")


def create(
    models: Models, *, allowed: Callable[[str], bool] = local, desk: Desk | None = None, warm: bool = True
) -> FastAPI:
    """The application.

    Args:
        models: Behind the pages.
        allowed: Whether browsers may address the server by a host name; requests to others are refused, so that no
            web site can reach it under a name of its own.
        desk: Who may compute when.
        warm: Whether the models are loaded in the background from the start.
    """
    server = Server(models, desk or Desk())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ended = threading.Event()
        if warm:
            server.desk.pool.submit(models.warm, ended.is_set)
        tidying = asyncio.create_task(server.tidy())
        yield
        tidying.cancel()
        ended.set()
        server.desk.close()

    app = FastAPI(title="yoto", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.server = server
    add_errors(app)
    add_pages(app, server)
    add_pictures(app, server)
    if models.compression is not None:
        add_compression(app, server, models.compression)
    if models.style is not None:
        add_style(app, server, models.style)
    if models.vae is not None:
        add_vae(app, server, models.vae)
    if models.model is not None:
        add_model(app, server, models.model)
    add_static(app)
    app.add_middleware(Measured)
    app.add_middleware(Guard, allowed=allowed)
    return app


def add_static(app: FastAPI) -> None:
    """Static files, from a table of what there is: no path of a request reaches the file system."""
    known = {
        path.relative_to(STATIC).as_posix(): path
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in TYPES and path.is_file() and path.suffix != ".html"
    }
    known |= {f"js/{name}.js": folder / "page.js" for name, folder in site.OWN.items()}

    @app.get("/{name:path}")
    async def static(name: str) -> Response:
        if name not in known:
            raise GoneError("There is nothing here.")
        path = known[name]
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": "no-cache"})


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

        async def secured(message: Message) -> None:
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


def add_errors(app: FastAPI) -> None:
    """Every error as one line of JSON."""

    @app.exception_handler(YotoError)
    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, BusyError):
            return said(str(error), 503, **{"Retry-After": str(error.seconds)})
        status = 404 if isinstance(error, GoneError) else 413 if isinstance(error, TooLargeError) else 422
        return said(str(error), status)

    @app.exception_handler(RequestValidationError)
    async def unfit(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body") or "the request"
        return said(f"{place[:100]}: {first['msg']}", 422)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return said("There is nothing here." if error.status_code == 404 else str(error.detail), error.status_code)

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, __: Exception) -> Response:
        return said("The request broke off.", 400)

    @app.exception_handler(MemoryError)
    async def full(_: Request, __: Exception) -> Response:
        return said("There is not enough memory for this picture. Use a smaller one.", 422)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        log.error("internal error", exc_info=error)
        response = said("Something went wrong here; the server's log says what.", 500)
        response.headers.update({**HEADERS, "Cache-Control": "no-store"})
        return response


def add_pages(app: FastAPI, server: Server) -> None:
    """The pages, their static files and the facts behind them."""
    pages = server.models.pages

    @app.get("/")
    async def first() -> Response:
        return RedirectResponse(f"/{pages[0]}.html", 307)

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return RedirectResponse("/icon.svg", 308)

    @app.get("/{page}.html")
    async def page(page: str) -> Response:
        if page not in pages:
            raise GoneError("There is no such page.")
        return Response(site.page(page, pages), media_type=TYPES[".html"], headers={"Cache-Control": "no-cache"})

    @app.get("/api/{page}.json")
    async def info(page: str) -> Response:
        if page == "samples":
            return JSONResponse(site.samples())
        if page not in pages:
            raise GoneError("There is no such page.")
        return JSONResponse(server.infos[page])


def add_pictures(app: FastAPI, server: Server) -> None:
    """Pictures that come in and results that go out."""

    @app.post("/api/pictures")
    async def upload(request: Request) -> Any:
        refuse_length(request, uploads.BYTES)
        async with server.desk.receiving():
            data = await uploads.body(request.stream())
        added = await server.job(request, lambda: uploads.shown(uploads.decoded(data)), " upload")
        height, width = added.picture.pixels.shape[:2]
        return {"id": server.album.add(added, client_of(request)), "width": width, "height": height}

    @app.get("/api/pictures/{name}.png")
    async def original(name: Name) -> Response:
        found = await asyncio.to_thread(server.album.shown, name)
        return Response(found.png, media_type="image/png")

    @app.get("/api/samples/{name}.jpg")
    async def thumbnail(name: Name) -> Response:
        data = await asyncio.to_thread(site.sample_thumbnail, name)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    @app.get("/api/results/{name}.{kind}")
    async def result(name: Name, kind: Literal["png", "yoto"]) -> Response:
        outcome = server.results.get(name)
        if kind == "png":
            return Response(outcome.picture, media_type="image/png")
        if not outcome.file:
            raise GoneError("This result has no file.")
        return Response(outcome.file, media_type="application/octet-stream")


def refuse_length(request: Request, most: int) -> None:
    """Refuse a body whose stated length is beyond the limit before it is read."""
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > most:
        raise TooLargeError(f"The file should have at most {most // uploads.MEGABYTE} MB. Found more.")


def add_compression(app: FastAPI, server: Server, page: Compression) -> None:
    """Jobs of the codec."""

    @app.post("/api/compression/encode")
    async def encode(request: Request, body: EncodeBody) -> Any:
        def work() -> Outcome:
            return page.encode(server.album.get(body.picture), dict(body.target.items()), preview=body.preview)

        return server.kept(request, await server.job(request, work))

    @app.post("/api/compression/classic")
    async def other_format(request: Request, body: ClassicBody) -> Any:
        def work() -> Outcome:
            made = classic(server.album.get(body.picture).pixels, body.kind, body.size)
            return replace(made, file=b"")  # no page offers it

        return server.kept(request, await server.job(request, work))

    @app.post("/api/compression/decode")
    async def decode(request: Request) -> Any:
        refuse_length(request, FILE_BYTES)
        async with server.desk.receiving():
            data = await uploads.body(request.stream(), FILE_BYTES)
        return server.kept(request, await server.job(request, partial(page.decode, data), " upload"))


def add_style(app: FastAPI, server: Server, page: Style) -> None:
    """Jobs of the painter."""

    @app.get("/api/styles/{name}.jpg")
    async def thumbnail(name: Name) -> Response:
        data = page.thumbnail(name)
        if data is None:
            raise GoneError("There is no picture of this style.")
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    @app.post("/api/style/paint")
    async def paint(request: Request, body: PaintBody) -> Any:
        def work() -> Outcome:
            return page.paint(
                server.album.get(body.picture),
                body.style,
                strength=body.strength,
                layers=body.layers,
                smoothness=body.smoothness,
                keep_colours=body.keep_colours,
                preview=body.preview,
            )

        return server.kept(request, await server.job(request, work))


def add_vae(app: FastAPI, server: Server, page: Autoencoders) -> None:
    """Jobs of the autoencoders."""

    @app.post("/api/vae/show")
    async def show(request: Request, body: ShowBody) -> Any:
        def work() -> tuple[dict[str, Any], dict[str, Outcome]]:
            picture = None if body.picture is None else server.album.get(body.picture)
            return page.outcomes(body.model, body.beta, seed=body.seed, picture=picture, traverse=body.traverse)

        facts, outcomes = await server.job(request, work)
        return {**facts, "strips": {name: server.kept(request, outcome)["id"] for name, outcome in outcomes.items()}}


def add_model(app: FastAPI, server: Server, page: Own) -> None:
    """Jobs of the user's model."""

    @app.post("/api/model/picture")
    async def picture(request: Request, body: PointBody) -> Any:
        outcome = await server.job(request, partial(page.picture, body.values))
        return {**server.kept(request, outcome), "drawn": bool(outcome.picture)}
