"""What the page of the β-VAE asks for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from yoto.apps.vae.page import Autoencoders
from yoto.web.bodies import Body, Finite, Name
from yoto.web.outcome import Outcome
from yoto.web.service import Server


class ShowBody(Body):
    """A VAE at a value of β."""

    model: Name
    beta: Finite
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    picture: Name | None = None
    traverse: Annotated[int, Field(ge=0, le=100)] = 0


def add(app: FastAPI, server: Server, page: Autoencoders) -> None:
    """Jobs of the autoencoders."""

    @app.post("/api/vae/show")
    async def show(request: Request, body: ShowBody) -> Any:
        def work() -> tuple[dict[str, Any], dict[str, Outcome]]:
            picture = None if body.picture is None else server.album.get(body.picture)
            return page.outcomes(body.model, body.beta, seed=body.seed, picture=picture, traverse=body.traverse)

        facts, outcomes = await server.job(request, work)
        return {**facts, "strips": {name: server.kept(request, outcome)["id"] for name, outcome in outcomes.items()}}
