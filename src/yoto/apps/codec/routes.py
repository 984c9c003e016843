"""What the page of the codec asks for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.apps.codec.page import FILE_BYTES, Compression, classic
from yoto.data.images import visible
from yoto.web import uploads
from yoto.web.bodies import Body, Finite, Name
from yoto.web.outcome import Outcome
from yoto.web.service import Server, refuse_length


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


def add(app: FastAPI, server: Server, page: Compression) -> None:
    """Jobs of the codec."""

    @app.post("/api/compression/encode")
    async def encode(request: Request, body: EncodeBody) -> Any:
        def work() -> Outcome:
            return page.encode(server.album.get(body.picture), dict(body.target.items()), preview=body.preview)

        return server.kept(request, await server.job(request, work))

    @app.post("/api/compression/classic")
    async def other_format(request: Request, body: ClassicBody) -> Any:
        def work() -> Outcome:
            made = classic(visible(server.album.get(body.picture)), body.kind, body.size)
            return replace(made, file=b"")  # no page offers it

        return server.kept(request, await server.job(request, work))

    @app.post("/api/compression/decode")
    async def decode(request: Request) -> Any:
        refuse_length(request, FILE_BYTES)
        async with server.desk.receiving():
            data = await uploads.body(request.stream(), FILE_BYTES)
        return server.kept(request, await server.job(request, partial(page.decode, data), " upload"))
