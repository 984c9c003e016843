"""The web application: pages, models' facts, and jobs. All that it keeps is in memory and bounded."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from yoto.errors import YotoError
from yoto.registry import find, imported
from yoto.web import choosing, documents, own_routes, site, start, uploads
from yoto.web.bodies import Name
from yoto.web.desk import Desk
from yoto.web.errors import BusyError, GoneError, TooLargeError
from yoto.web.guard import HEADERS, Guard, Measured, said
from yoto.web.own import OWN, Own
from yoto.web.pages import left_out
from yoto.web.pages import warm as load_all
from yoto.web.service import Server, client_of, refuse_length

if TYPE_CHECKING:
    from yoto.web.page import Page

log = logging.getLogger("yoto.web")
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".wasm": "application/wasm", ".svg": "image/svg+xml",
    ".onnx": "application/octet-stream", ".txt": "text/plain; charset=utf-8", **documents.KINDS,
}  # fmt: skip
"""Kinds of static files; no other is served."""


def local(host: str) -> bool:
    """Whether a host name is one of this machine for itself."""
    return host.lower().rstrip(".") in ("127.0.0.1", "localhost", "[::1]")


def create(
    pages: Mapping[str, Page],
    *,
    allowed: Callable[[str], bool] = local,
    desk: Desk | None = None,
    warm: bool = True,
    refused: Callable[[str], object] = log.warning,
) -> FastAPI:
    """The application.

    Args:
        pages: By name, in their order.
        allowed: Whether browsers may address the server by a host name; requests to others are refused, so that no
            web site can reach it under a name of its own.
        desk: Who may compute when.
        warm: Whether the models are loaded in the background from the start.
        refused: Called with what is wrong with an application's page, which is left out.

    Raises:
        YotoError: If the page of the user's model, or every page, is of no use.
    """
    server = Server(desk or Desk())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ended = threading.Event()
        if warm:
            server.desk.pool.submit(load_all, server.pages, ended.is_set)
        tidying = asyncio.create_task(server.tidy())
        yield
        tidying.cancel()
        ended.set()
        server.close()

    app = FastAPI(title="yoto", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.server = server
    add_errors(app, server.pages)
    add_pages(app, server)
    add_pictures(app, server)
    add_questions(app, server)
    for name, page in pages.items():
        try:
            add_page(app, server, name, page)
        except YotoError as error:
            if isinstance(page, Own):
                raise
            refused(left_out(name, error))
    if not server.pages:
        raise YotoError("There should be a page to serve. Found none.")
    add_static(app, server.pages)
    larger = {path: most for page in server.pages.values() for path, most in page.bodies.items()}
    app.add_middleware(Measured, larger=larger)
    app.add_middleware(Guard, allowed=allowed)
    return app


def add_page(app: FastAPI, server: Server, name: str, page: Page) -> None:
    """A page with its facts, which are computed once, and what its script asks for."""
    info = page.info()
    if isinstance(page, Own):
        own_routes.add(app, server, page)
    else:
        application = find(name)
        if application is not None and application.routes is not None:
            imported(application.routes, "Routes")(app, server, page)
    server.pages[name], server.infos[name] = page, info


def add_static(app: FastAPI, pages: Mapping[str, Page]) -> None:
    """Static files, from a table of what there is: no path of a request reaches the file system."""
    known = {name: path for name, path in site.files(pages).items() if path.suffix in TYPES}

    @app.get("/{name:path}")
    async def static(name: str) -> Response:
        if name not in known:
            raise GoneError("There is nothing here.")
        path = known[name]
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": "no-cache"})


def for_people(request: Request) -> bool:
    """Whether a browser asks for a page that somebody is to read."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def nowhere(pages: Mapping[str, Page]) -> Response:
    """The answer to a mistyped address, for people."""
    return Response(site.page(site.NOWHERE, pages), 404, media_type=TYPES[".html"])


def add_errors(app: FastAPI, pages: Mapping[str, Page]) -> None:
    """Every error as one line of JSON; a mistyped address as a page."""

    @app.exception_handler(YotoError)
    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, GoneError) and for_people(request):
            return nowhere(pages)
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
    async def other(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404 and for_people(request):
            return nowhere(pages)
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
    pages = server.pages

    @app.get("/")
    async def first() -> Response:
        return RedirectResponse(f"/{OWN if OWN in pages else 'index'}.html", 307)

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return RedirectResponse("/icon.svg", 308)

    @app.get("/{page}.html")
    async def page(page: str) -> Response:
        name = start.NAME if page == "index" else page
        if name not in (*pages, start.NAME, *documents.documents()):
            raise GoneError("There is no such page.")
        return Response(site.page(name, pages), media_type=TYPES[".html"], headers={"Cache-Control": "no-cache"})

    @app.get("/api/{page}.json")
    async def info(page: str) -> Response:
        if page == "samples":
            return JSONResponse(site.samples())
        if page == start.NAME:
            return JSONResponse(start.info(pages))
        if page not in pages:
            raise GoneError("There is no such page.")
        return JSONResponse(server.infos[page])

    @app.get("/api/glimpse/{page}.json")
    async def glimpse(page: str) -> Response:
        if page not in pages:
            raise GoneError("There is no such page.")
        async with server.glimpsing:
            if page not in server.glimpses:
                server.glimpses[page] = await server.desk.run(f"glimpse/{page}", partial(start.glimpse, pages[page]))
        return JSONResponse(server.glimpses[page], headers={"Cache-Control": "max-age=300"})


def add_questions(app: FastAPI, server: Server) -> None:
    """Choosing by eye, on every page that has something to choose."""

    @app.post("/api/choose/{page}")
    async def choose(request: Request, page: str, body: choosing.AnswersBody) -> Any:
        if page not in server.pages:
            raise GoneError("There is no such page.")

        def asked() -> dict[str, Any]:
            coordinates = server.pages[page].chosen_by_eye(body.model)
            if coordinates is None:
                raise GoneError("Nothing is chosen by eye on this page.")
            return choosing.question(coordinates, body.answers)

        return await server.job(request, asked, " question")


def add_pictures(app: FastAPI, server: Server) -> None:
    """Pictures that come in and results that go out."""

    @app.post("/api/pictures")
    async def upload(request: Request) -> Any:
        refuse_length(request, uploads.BYTES)
        async with server.desk.receiving():
            data = await uploads.body(request.stream())
        added = await server.job(request, lambda: uploads.Shown(uploads.decoded(data)), " upload")
        height, width = added.picture.pixels.shape[:2]
        facts = {"width": width, "height": height, "alpha": added.picture.alpha is not None}
        if width * height > uploads.SHRUNK and uploads.size_of(data) != (height, width):
            facts["notice"] = (
                f"This picture is larger than {uploads.PIXELS / 1e6:.0f} million pixels: it was shrunk to "
                f"{width}×{height}. The command line takes it as it is."
            )
        return {"id": server.album.add(added, client_of(request)), **facts}

    @app.get("/api/pictures/{name}.{kind}")
    async def original(name: Name, kind: Literal["png", "webp"]) -> Response:
        found = server.album.shown(name)
        return Response(await asyncio.to_thread(found.file, kind), media_type=f"image/{kind}")

    @app.get("/api/samples/{name}.webp")
    async def sample(name: Name) -> Response:
        if name not in uploads.samples():
            raise GoneError("There is no such sample picture.")
        return FileResponse(uploads.samples()[name], media_type="image/webp")

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
