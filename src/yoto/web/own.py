"""The page of any model: a slider per free loss parameter, its curve, and its task's picture of what it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto import bundle
from yoto.errors import YotoError
from yoto.space import Value
from yoto.web import describe, uploads
from yoto.web.outcome import Outcome
from yoto.web.page import Page

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.bundle import Bundle
    from yoto.task import Task


FILES = Path(__file__).parent / "model"


class Own(Page):
    """A model behind its page; its methods run in threads.

    Args:
        model: Name, file or run folder.
        task: The task's object, where the model's file names one that only its user can give.

    Raises:
        YotoError: If it was trained for one setting alone.
    """

    title = "Your model"
    html = FILES / "page.html"
    script = FILES / "page.js"

    def __init__(self, model: str, task: Task | None = None) -> None:
        self.header = bundle.read_header(model)
        self.path, self.name = model, describe.known_as(model)
        if self.header.conditioning is None or not self.header.space.free:
            raise YotoError(
                f"A page of sliders needs a model trained for a range of losses. Found {str(self.header.path)!r}, "
                "trained for one setting. Usually: show the model that it was baked or polished from."
            )
        self.given = task
        self.lock = threading.Lock()
        self.loaded: Bundle | None = None

    @property
    def drawn(self) -> bool:
        """Whether there is a task that could draw what the network does."""
        return bool(self.header.task or self.given)

    def info(self) -> dict[str, Any]:
        """What the page is told."""
        symbols = ((self.header.curve or {}).get("info") or {}).get("symbols") or {}
        return describe.model(self.header, self.name) | {
            "parameters": describe.parameters(self.header.space, symbols),
            "drawn": self.drawn,
            "load": self.path,
        }

    def loads(self) -> Sequence[Callable[[], object]]:
        return [self.ready] if self.drawn else []

    def ready(self) -> Bundle:
        """The model, loaded once."""
        with self.lock:
            if self.loaded is None:
                self.loaded = bundle.load(self.header.path, task=self.given)
            return self.loaded

    def check(self) -> None:
        """Draw the network at the middle of its space, where a task draws."""
        self.drawing(self.header.space.median())

    def picture(self, values: Mapping[str, Value], seed: int = 0) -> Outcome:
        """The task's picture of the network at a setting; empty where it draws none.

        Raises:
            YotoError: If a value leaves its range, or the task's data are missing.
        """
        at = self.header.space.point(dict(values))
        return Outcome({"weights": self.header.space.describe(at.tolist())}, self.drawing(at, seed))

    def drawing(self, at: Tensor, seed: int = 0) -> bytes:
        """The task's picture at λ [D] as a PNG file; empty where there is none."""
        if not self.drawn:
            return b""
        import torch

        loaded = self.ready()
        assert loaded.task is not None
        with torch.inference_mode():
            pixels = loaded.task.picture(loaded.conditional.at(at), at, seed=seed)
        return b"" if pixels is None else uploads.png(pixels)
