"""What the page of the user's model asks for."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.web.bodies import Body, Finite, Name
from yoto.web.own import OWN, Own
from yoto.web.service import Server


class PointBody(Body):
    """A setting of the loss parameters of the user's model."""

    values: Annotated[dict[Name, Finite | Name | dict[Name, Finite]], Field(max_length=64)]


def add(app: FastAPI, server: Server, page: Own) -> None:
    """Jobs of the user's model."""

    @app.post("/api/model/picture")
    async def picture(request: Request, body: PointBody) -> Any:
        outcome = await server.job(request, partial(page.picture, body.values))
        return {**outcome.facts, "inline": outcome.inline, "drawn": bool(outcome.inline)}

    @app.get("/api/model/state")
    async def state() -> Any:
        if await asyncio.to_thread(page.refreshed):
            server.infos[OWN] = await asyncio.to_thread(page.info)
            server.glimpses.pop(OWN, None)
        info = server.infos[OWN]
        return {"stamp": info["stamp"], "running": info["running"]}
