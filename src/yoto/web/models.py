"""The models that the pages show."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from yoto.apps.codec.page import Compression
from yoto.apps.style.page import Style
from yoto.apps.vae.page import Autoencoders
from yoto.errors import YotoError
from yoto.web.own import Own

if TYPE_CHECKING:
    from yoto.task import Task

log = logging.getLogger("yoto.web")
TITLES = {"compression": "Compression", "style": "Style", "vae": "β-VAE", "model": "Your model"}
"""The pages by name, in their order."""


@dataclass(frozen=True)
class Models:
    """What is behind each page, or None where there is no such page."""

    compression: Compression | None = None
    style: Style | None = None
    vae: Autoencoders | None = None
    model: Own | None = None

    @property
    def pages(self) -> tuple[str, ...]:
        """Names of the pages there are; that of a model of the user's comes first."""
        present = [name for name in TITLES if getattr(self, name) is not None]
        return tuple(sorted(present, key=lambda name: name != "model"))

    def warm(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Load everything that the first clicks need, until it is all there or the server has ended."""
        ready: list[Callable[[], object]] = []
        if self.model is not None and self.model.drawn:
            ready.append(self.model.ready)
        ready += [part.ready for part in (self.compression, self.style) if part is not None]
        if self.vae is not None:
            ready += [partial(self.vae.ready, name) for name in self.vae.headers]
        for load in ready:
            if ended():
                return
            try:
                load()
            except YotoError as error:
                log.warning("%s", error)  # its page will say so too

    def infos(self) -> dict[str, dict[str, Any]]:
        """What each page is told, by page."""
        return {name: getattr(self, name).info() for name in self.pages}


def bundled(model: str | None = None, task: Task | None = None) -> Models:
    """The models of the package, and one of the user's."""
    return Models(Compression(), Style(), Autoencoders(), Own(model, task) if model is not None else None)
