"""What the page of the codec asks for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.apps.codec.page import FILE_BYTES, Compression, classic
from yoto.data.images import visible
from yoto.errors import YotoError
from yoto.web import uploads
from yoto.web.bodies import Body, Finite, Name, Side
from yoto.web.service import Server, refuse_length


class EncodeBody(Body):
    """A picture to code, and one target."""

    picture: Name
    target: Annotated[dict[Literal["quality", "bpp", "psnr", "size"], Finite], Field(min_length=1, max_length=1)]
    preview: bool = False
    side: Side = uploads.PREVIEW


class FiguresBody(Body):
    """A picture whose figures at a quality are asked for."""

    picture: Name
    quality: Annotated[Finite, Field(ge=0, le=100)]


class ClassicBody(Body):
    """A picture, and the size of the file that another format is to have."""

    picture: Name
    kind: Literal["JPEG", "WebP", "AVIF"]
    size: Annotated[int, Field(ge=1)]


def add(app: FastAPI, server: Server, page: Compression) -> None:
    """Jobs of the codec."""

    @app.post("/api/compression/encode")
    async def encode(request: Request, body: EncodeBody) -> Any:
        found = server.album.shown(body.picture)
        target: dict[str, float] = dict(body.target.items())
        if body.preview:
            if set(target) != {"quality"}:
                raise YotoError("A preview should have a quality for its target. Found another.")
            outcome = await server.job(request, lambda: page.preview(found.preview(body.side), target["quality"]))
        else:
            work = partial(page.encode, found.picture, target)
            outcome = await server.long_job(request, work, pixels=found.pixels)
        return server.kept(request, outcome)

    @app.post("/api/compression/figures")
    async def figures(request: Request, body: FiguresBody) -> Any:
        picture = server.album.get(body.picture)
        return await server.long_job(request, partial(page.figures, picture, body.quality), beside=True)

    @app.post("/api/compression/classic")
    async def other_format(request: Request, body: ClassicBody) -> Any:
        pixels = visible(server.album.get(body.picture))
        made = await server.long_job(request, partial(classic, pixels, body.kind, body.size), beside=True)
        return server.kept(request, replace(made, file=b""))  # no page offers it

    @app.post("/api/compression/decode")
    async def decode(request: Request) -> Any:
        refuse_length(request, FILE_BYTES)
        async with server.desk.receiving():
            data = await uploads.body(request.stream(), FILE_BYTES)
        return server.kept(request, await server.job(request, partial(page.decode, data), " upload"))
