"""The page, and what it shares with the command."""

from pathlib import Path
from typing import Any

from yoto import bundle
from yoto.web import describe
from yoto.web.page import Page

MODEL = "lines/mini"


def smoothed(values: list[float], roughness: float) -> list[float]:
    """The points of a line at a weight of the roughness."""
    import torch

    model = bundle.load(MODEL).conditional
    with torch.inference_mode():
        return model.at(roughness=roughness)(torch.tensor([values]))[0].tolist()


class LinesPage(Page):
    """A line and a slider."""

    title = "Lines"
    html = Path(__file__).parent / "static" / "page.html"
    script = Path(__file__).parent / "static" / "page.js"

    def info(self) -> dict[str, Any]:
        """The model's facts."""
        return describe.model(bundle.read_header(MODEL), MODEL)
