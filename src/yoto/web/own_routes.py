"""What the page of the user's model asks for."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.web.bodies import Body, Finite, Name
from yoto.web.own import Own
from yoto.web.service import Server


class PointBody(Body):
    """A setting of the loss parameters of the user's model."""

    values: Annotated[dict[Name, Finite | Name | dict[Name, Finite]], Field(max_length=64)]


def add(app: FastAPI, server: Server, page: Own) -> None:
    """Jobs of the user's model."""

    @app.post("/api/model/picture")
    async def picture(request: Request, body: PointBody) -> Any:
        outcome = await server.job(request, partial(page.picture, body.values))
        return {**server.kept(request, outcome), "drawn": bool(outcome.picture)}
