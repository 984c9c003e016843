"""The page of style transfer: a picture, paintings, and a slider for every loss weight."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto import bundle
from yoto.apps.style.options import LAYERS, PAINTING, THUMBNAIL
from yoto.apps.style.painting.bank import DEFAULT, DEFAULT_STRENGTH, Bank, open_bank
from yoto.data.images import Picture, shrunk, visible
from yoto.web import describe, site, uploads
from yoto.web.copy_folder import CopyFolder, fixed, parsed
from yoto.web.errors import go_on
from yoto.web.outcome import Outcome
from yoto.web.page import Glimpse, Page
from yoto.web.uploads import PREVIEW

if TYPE_CHECKING:
    from yoto.apps.style.painting.painter import Painter
    from yoto.curves.selection.coordinates import Coordinates


FILES = Path(__file__).parent / "static"
SWATCH = 160
"""Pixels along a side of a picture that stands for a painting."""


class Style(Page):
    """The painter behind the page; its methods run in threads.

    Args:
        model: Name or file of a style model.
    """

    title = "Style"
    about = "Style transfer: one network paints in every manner, at any strength and any weight of strokes and shapes."
    opens = ("image/*",)
    html = FILES / "page.html"
    script = FILES / "page.js"
    alone = True

    def __init__(self, model: str = DEFAULT) -> None:
        self.name = model
        self.bank: Bank = open_bank(model)
        self.lock = threading.Lock()
        self.painter: Painter | None = None
        found = {
            name: bundle.blob(self.bank.header.path, f"{bundle.EXTRAS}{THUMBNAIL}{name}") for name in self.bank.names
        }
        self.thumbnails = {name: data for name, data in found.items() if data is not None}
        self.tiles: dict[str, bytes] = {}
        self.tiling = threading.Lock()

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

    def tile(self, name: str) -> bytes | None:
        """What stands for a painting as JPEG: its thumbnail, else a photograph in its manner, or None."""
        with self.tiling:
            if name in self.bank.names and name not in self.tiles:
                self.tiles[name] = self.thumbnail(name) or self.swatch(name)
            return self.tiles.get(name)

    def swatch(self, name: str) -> bytes:
        """A photograph in the manner of a painting at full strength, as JPEG."""
        pixels = shrunk(uploads.sample(site.FIRST).pixels, 3 * SWATCH // 2, quick=True)[:SWATCH, -SWATCH:]
        return uploads.encoded(self.ready()(pixels, name, strength=1.0), "JPEG", quality=88)

    def loads(self) -> Sequence[Callable[[], object]]:
        return [self.ready, *(partial(self.tile, name) for name in self.bank.names)]

    def put(self, copy: CopyFolder) -> None:
        """The facts, thumbnails and network of style transfer."""
        from yoto.apps.style.painting.tiles import SMALLEST

        data = style_network(self)
        graph = parsed(data).graph
        channels = next(i for i in graph.input if i.name == "statistics").type.tensor_type.shape.dim[1].dim_value
        network = {
            "file": "models/style.onnx", "outputs": [o.name for o in graph.output], "fixed": fixed(self.bank.space),
            "channels": channels, "smallest": SMALLEST,
        }  # fmt: skip
        copy.put(network["file"], data)
        copy.put_json("api/style.json", self.info() | {"network": network})
        for style in self.bank.styles:
            tile = self.tile(style.name)
            assert tile is not None  # its name is the bank's
            copy.put(f"api/styles/{style.name}.jpg", tile)

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
        preview: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """A picture in the manner of paintings; arguments as of `yoto.stylize.Painter`.

        Args:
            preview: Whether it is for the page alone, and comes with the facts.
            stopped: Tells whether nobody waits for it any longer.

        Raises:
            StoppedError: If so.
        """
        go_on(stopped)
        painter = self.ready()
        values = painter.bank.parameters(style, strength=strength, layers=layers, smoothness=smoothness)
        made = painter.paint(
            visible(picture), values, keep_colours=keep_colours, progress=lambda *_: go_on(stopped)
        )  # fmt: skip
        facts = {"width": made.shape[1], "height": made.shape[0], "preview": preview}
        image = uploads.of_picture(made, picture)
        return Outcome(facts, inline=uploads.inline(image)) if preview else Outcome(facts, uploads.png(image))

    def chosen_by_eye(self, model: str = "") -> Coordinates | None:
        from yoto.curves.selection.coordinates import Coordinates

        others = [name for name in self.bank.space.free if name != "style"]
        held = {name: self.bank.names[0] if name == PAINTING else self.bank.value(name, 0.5) for name in others}
        return Coordinates(self.bank.space, held)

    def glimpse(self) -> Glimpse:
        """A photograph at strengths from low to high."""
        pixels = shrunk(uploads.sample(site.FIRST).pixels, 288, quick=True)
        strengths = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        name = next((name for name in self.bank.names if name in self.thumbnails), self.bank.names[0])
        frames = [self.ready()(pixels, name, strength=strength) for strength in strengths]
        return Glimpse("Strength", [f"strength {strength:.1f}" for strength in strengths], frames)


def style_network(page: Style) -> bytes:
    """The network of style transfer as ONNX: the file beside the model where it belongs to it, else a new one."""
    path, own = page.bank.network(), page.bank.header.path
    if path is not None:
        data = path.read_bytes()
        if any(p.key == "bundle" and p.value == bundle.sha256(own) for p in parsed(data).metadata_props):
            return data
    from yoto.apps.style.painting import onnx

    with tempfile.TemporaryDirectory() as folder:
        return onnx.write_network(own, Path(folder) / "network.onnx").read_bytes()


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
