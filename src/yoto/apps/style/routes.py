"""What the page of style transfer asks for."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import Field

from yoto.apps.style.page import Style
from yoto.web import uploads
from yoto.web.bodies import Body, Finite, Name, Share, Side
from yoto.web.errors import GoneError
from yoto.web.service import Server


class PaintBody(Body):
    """A picture and the settings of style transfer."""

    picture: Name
    style: Annotated[dict[Name, Finite], Field(min_length=1, max_length=2)]
    strength: Share
    layers: dict[Name, Finite] = Field(default_factory=dict, max_length=8)
    smoothness: Finite | None = None
    keep_colours: bool = False
    preview: bool = False
    side: Side = uploads.PREVIEW


def add(app: FastAPI, server: Server, page: Style) -> None:
    """Jobs of the painter."""

    @app.get("/api/styles/{name}.jpg")
    async def tile(name: Name) -> Response:
        data = await asyncio.to_thread(page.tile, name)
        if data is None:
            raise GoneError("There is no picture of this style.")
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    @app.post("/api/style/paint")
    async def paint(request: Request, body: PaintBody) -> Any:
        found = server.album.shown(body.picture)
        options: dict[str, Any] = {
            "strength": body.strength, "layers": body.layers, "smoothness": body.smoothness,
            "keep_colours": body.keep_colours,
        }  # fmt: skip
        if body.preview:
            outcome = await server.job(
                request, lambda: page.paint(found.preview(body.side), body.style, preview=True, **options)
            )
        else:
            outcome = await server.long_job(
                request,
                lambda stopped: page.paint(found.picture, body.style, stopped=stopped, **options),
                pixels=found.pixels,
            )
        return server.kept(request, outcome)
