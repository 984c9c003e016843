"""The page, and what it shares with the command."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from yoto import bundle
from yoto.errors import YotoError
from yoto.web import describe
from yoto.web.page import Page

MODEL = "lines/mini"
LINE = [-1.2, -0.4, -0.6, 0.1, -0.1, 0.7, 0.3, 1.1]
"""What the page begins with."""


@cache
def loaded() -> bundle.Bundle:
    """The model, loaded once."""
    return bundle.load(MODEL)


def smoothed(values: list[float], roughness: float) -> list[float]:
    """The points of a line at a weight of the roughness.

    Raises:
        YotoError: If the model was made for another number of points, or the weight is none of its range.
    """
    import torch

    from yoto_lines.task import Lines

    model, task = loaded().conditional, loaded().task
    assert isinstance(task, Lines)
    if len(values) != task.options.points:
        raise YotoError(f"A line should have {task.options.points} points. Found {len(values)}.")
    model.space.check({"roughness": roughness})
    with torch.inference_mode():
        result: list[float] = model.at(roughness=roughness)(torch.tensor([values]))[0].tolist()
    return result


class LinesPage(Page):
    """A line and a slider."""

    title = "Lines"
    html = Path(__file__).parent / "static" / "page.html"
    script = Path(__file__).parent / "static" / "page.js"

    def info(self) -> dict[str, Any]:
        """The model's facts, what its slider has to know, and a line."""
        header = bundle.read_header(MODEL)
        (roughness,) = describe.parameters(header.space)
        return describe.model(header, MODEL) | {"roughness": roughness, "line": LINE}

    def loads(self) -> Sequence[Callable[[], object]]:
        return [loaded]

    def smooth(self, values: list[float], roughness: float) -> list[float]:
        """A line, smoothed."""
        return smoothed(values, roughness)
