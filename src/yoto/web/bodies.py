"""What pages ask for: the shared parts of requests' bodies."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from yoto.web import uploads

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=100)]
Side = Annotated[int, Field(ge=uploads.SMALLEST_PREVIEW, le=uploads.PREVIEW)]
"""Longest side of a preview, pixels."""


class Body(BaseModel):
    """What a page asks for; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
