"""The page of any model: a slider per free loss parameter, its curve, and its task's picture of what it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto import bundle
from yoto.errors import YotoError
from yoto.space import Value
from yoto.web import describe, uploads
from yoto.web.outcome import Outcome
from yoto.web.page import Glimpse, Page

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.bundle import Bundle
    from yoto.curves.selection.coordinates import Coordinates
    from yoto.data.pixels import Pixels
    from yoto.task import Task


FILES = Path(__file__).parent / "model"


OWN = "model"
"""Name of the page."""
BEST = "best"
"""Folder of the best state so far in that of a run."""
LOOK = 20
"""Seconds after which the page looks for a newer state of a run that goes on."""


def newest(model: str) -> Path:
    """The file of a model; of a run that is not finished its best state so far."""
    run = Path(model)
    if run.is_dir() and not (run / "model.safetensors").is_file() and (run / BEST / "model.safetensors").is_file():
        return run / BEST / "model.safetensors"
    return bundle.locate(model)


def stamp_of(path: Path | str) -> int:
    """What tells a state of a file from a later one."""
    return Path(path).stat().st_mtime_ns


class Own(Page):
    """A model behind its page; its methods run in threads.

    Args:
        model: Name, file or run folder.
        task: The task's object, where the model's file names one that only its user can give.

    Raises:
        YotoError: If it was trained for one setting alone.
    """

    title = "Your model"
    about = "A model of yours: a slider per loss parameter, and its trade-off curve."
    html = FILES / "page.html"
    script = FILES / "page.js"

    def __init__(self, model: str, task: Task | None = None) -> None:
        self.path, self.name = model, describe.known_as(model)
        self.header = bundle.read_header(newest(model))
        self.stamp = stamp_of(self.header.path)
        if self.header.conditioning is None or not self.header.space.free:
            raise YotoError(
                f"A page of sliders needs a model trained for a range of losses. Found {str(self.header.path)!r}, "
                "trained for one setting. Usually: show the model that it was baked or polished from."
            )
        self.given = task
        self.lock = threading.Lock()
        self.loaded: Bundle | None = None
        self.plain: Any = None

    @property
    def running(self) -> bool:
        """Whether what is shown is the best state so far of a run that is not finished."""
        return self.header.path.parent.name == BEST and newest(self.path) == self.header.path

    def refreshed(self) -> bool:
        """Look for a newer state of a run that goes on, and take it; whether there was one."""
        path = newest(self.path)
        if (path, stamp_of(path)) == (self.header.path, self.stamp):
            return False
        with self.lock:
            self.stamp = stamp_of(path)
            self.header = bundle.read_header(path)
            self.loaded = self.plain = None
        return True

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
            "load": str(self.header.path) if self.running else self.path,
            "running": LOOK if self.running else 0, "stamp": self.stamp,
        }  # fmt: skip

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
        self.drawn_at(self.header.space.median())

    def picture(self, values: Mapping[str, Value], seed: int = 0) -> Outcome:
        """The task's picture of the network at a setting; empty where it draws none.

        Raises:
            YotoError: If a value leaves its range, or the task's data are missing.
        """
        space = self.header.space
        at = space.point(dict(values))
        facts: dict[str, Any] = {"weights": space.describe(at.tolist())}
        pixels = self.drawn_at(at, seed)
        return Outcome(facts) if pixels is None else Outcome(facts, inline=uploads.png_inline(pixels))

    def drawn_at(self, at: Tensor, seed: int = 0) -> Pixels | None:
        """What the task draws at λ [D], or None."""
        if not self.drawn:
            return None
        from yoto.support.graphs import without_graph

        loaded = self.ready()
        assert loaded.task is not None
        with self.lock:
            if self.plain is None:
                self.plain = loaded.conditional.bake(at)
            net = loaded.conditional.bake(at, into=self.plain)
            return without_graph(partial(loaded.task.picture, net, at, seed=seed))

    def chosen_by_eye(self, model: str = "") -> Coordinates | None:
        from yoto.curves.selection.coordinates import Coordinates

        return Coordinates(self.header.space) if self.drawn else None

    def glimpse(self) -> Glimpse | None:
        """What the task draws over the first parameter that is a range."""
        name = next(
            (p["name"] for p in describe.parameters(self.header.space) if p["scale"] in ("log", "linear")), None
        )
        if name is None or not self.drawn:
            return None
        space = self.header.space
        column = space.names.index(name)
        middle = space.median()
        points = []
        for lam in space.grid(7):
            point = middle.clone()
            point[column] = lam[column]
            points.append(point)
        frames = [self.drawn_at(point) for point in points]
        if any(frame is None for frame in frames):
            return None
        return Glimpse(name, [f"{name} {point[column]:.3g}" for point in points], [f for f in frames if f is not None])
