"""What the page asks for."""

from typing import Any

from fastapi import FastAPI, Request

from yoto.web.bodies import Body, Finite
from yoto.web.service import Server
from yoto_lines.page import LinesPage, smoothed


class LineBody(Body):
    """The points of a line, and the weight of its roughness."""

    values: list[Finite]
    roughness: Finite


def add(app: FastAPI, server: Server, page: LinesPage) -> None:
    """Jobs of the lines."""

    @app.post("/api/lines/smooth")
    async def smooth(request: Request, body: LineBody) -> Any:
        return {"values": await server.job(request, lambda: smoothed(body.values, body.roughness))}
