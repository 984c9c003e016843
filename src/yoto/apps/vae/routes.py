"""What the page of the β-VAE asks for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.apps.vae.page import PARTS, Autoencoders, Part
from yoto.web.bodies import Body, Finite, Name
from yoto.web.service import Server


class ShowBody(Body):
    """A VAE at a value of β."""

    model: Name
    beta: Finite
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    picture: Name | None = None
    traverse: Annotated[int, Field(ge=0, le=100)] = 0
    parts: Annotated[list[Part], Field(max_length=4)] = Field(default_factory=lambda: [*PARTS])


def add(app: FastAPI, server: Server, page: Autoencoders) -> None:
    """Jobs of the autoencoders."""

    @app.post("/api/vae/show")
    async def show(request: Request, body: ShowBody) -> Any:
        picture = None if body.picture is None else server.album.get(body.picture)
        options: dict[str, Any] = {
            "seed": body.seed,
            "picture": picture,
            "traverse": body.traverse,
            "parts": body.parts,
        }
        return await server.job(request, lambda: page.shown(body.model, body.beta, **options))
