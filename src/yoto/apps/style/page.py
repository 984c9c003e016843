"""The page of style transfer: a picture, paintings, and a slider for every loss weight."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from yoto import bundle
from yoto.apps.style.options import LAYERS, PAINTING, THUMBNAIL
from yoto.apps.style.painting.bank import DEFAULT, DEFAULT_STRENGTH, Bank, open_bank
from yoto.data.images import Picture, shrunk
from yoto.web import describe, uploads
from yoto.web.outcome import Outcome
from yoto.web.uploads import PREVIEW

if TYPE_CHECKING:
    from yoto.apps.style.painting.painter import Painter


class Style:
    """The painter behind the page; its methods run in threads.

    Args:
        model: Name or file of a style model.
    """

    def __init__(self, model: str = DEFAULT) -> None:
        self.name = model
        self.bank: Bank = open_bank(model)
        self.lock = threading.Lock()
        self.painter: Painter | None = None
        found = {
            name: bundle.blob(self.bank.header.path, f"{bundle.EXTRAS}{THUMBNAIL}{name}") for name in self.bank.names
        }
        self.thumbnails = {name: data for name, data in found.items() if data is not None}

    def info(self) -> dict[str, Any]:
        """What the page is told: styles, sliders with their ranges, and the curve over the strength."""
        bank = self.bank
        facts = describe.model(bank.header, self.name)
        styles = [asdict(style) | {"thumbnail": self.thumbnail(style.name) is not None} for style in bank.styles]
        sliders = [
            {"name": name, "low": low, "high": high, "value": bank.value(name, 0.5)}
            for name in (*LAYERS, "smoothness")
            for low, high in [bank.extent(name)]
        ]
        low, high = bank.extent("style")
        return facts | {
            "styles": styles, "sliders": sliders, "strength": DEFAULT_STRENGTH, "weight": {"low": low, "high": high},
            "curve": strength_curves(facts["curve"], bank), "preview": PREVIEW,
            "columns": list(bank.space.names), "painting": PAINTING if PAINTING in bank.space.parameters else None,
        }  # fmt: skip

    def thumbnail(self, name: str) -> bytes | None:
        """The thumbnail of a painting as JPEG, or None where the model shows none."""
        return self.thumbnails.get(name)

    def ready(self) -> Painter:
        """The painter, loaded once."""
        from yoto.apps import style as stylize

        with self.lock:
            if self.painter is None:
                self.painter = stylize.load(self.name)
            return self.painter

    def paint(
        self,
        picture: Picture,
        style: Mapping[str, float],
        *,
        strength: float,
        layers: Mapping[str, float],
        smoothness: float | None,
        keep_colours: bool,
        preview: bool,
    ) -> Outcome:
        """A picture in the manner of paintings; arguments as of `yoto.stylize.Painter`."""
        pixels = shrunk(picture.pixels, PREVIEW, quick=True) if preview else picture.pixels
        painter = self.ready()
        made = painter(
            pixels, style, strength=strength, layers=layers, smoothness=smoothness, keep_colours=keep_colours
        )
        facts = {
            "width": made.shape[1], "height": made.shape[0], "preview": preview,
        }  # fmt: skip
        return Outcome(facts, uploads.png(made, icc_profile=uploads.profile(picture)))


def strength_curves(curve: dict[str, Any] | None, bank: Bank) -> dict[str, Any] | None:
    """Of a model's curve the points that differ in the style weight alone, in its order."""
    if curve is None:
        return None
    first = curve["points"][0]
    kept = [
        index
        for index, point in enumerate(curve["points"])
        if all(abs(point[name] - first[name]) <= 1e-6 * abs(first[name]) for name in first if name != "style")
    ]
    kept.sort(key=lambda index: curve["points"][index]["style"])
    shown = [name.partition(":")[2] for name in first if name.startswith(f"{PAINTING}:") and first[name] > 0.5]
    return curve | {
        "points": [{"style": curve["points"][index]["style"]} for index in kept],
        "series": {name: [values[index] for index in kept] for name, values in curve["series"].items()},
        "shown": shown[0] if shown else bank.names[0],
    }
