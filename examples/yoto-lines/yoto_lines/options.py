"""Options of the task."""

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """How many points a line has."""

    model_config = ConfigDict(extra="forbid", strict=True)

    points: int = Field(default=8, ge=2)
