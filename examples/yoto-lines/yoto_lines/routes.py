"""What the page asks for."""

from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.web.bodies import Body, Finite
from yoto.web.service import Server
from yoto_lines.page import LinesPage


class LineBody(Body):
    """The points of a line, and the weight of its roughness."""

    values: Annotated[list[Finite], Field(max_length=1000)]
    roughness: Finite


def add(app: FastAPI, server: Server, page: LinesPage) -> None:
    """Jobs of the lines."""

    @app.post("/api/lines/smooth")
    async def smooth(request: Request, body: LineBody) -> Any:
        return {"values": await server.job(request, partial(page.smooth, body.values, body.roughness))}
