"""Painting pictures of any size with one network."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from yoto.apps.style.painting import tiles
from yoto.apps.style.painting.bank import DEFAULT_STRENGTH, Bank, open_bank
from yoto.apps.style.painting.engines import Engine, EngineName, make_engine
from yoto.data.images import Picture, of_image, visible
from yoto.data.pixels import Floats, Pixels
from yoto.errors import YotoError
from yoto.space import Value
from yoto.support.numbers import shown

if TYPE_CHECKING:
    from PIL.Image import Image


class Painter:
    """A style network ready to paint.

    Args:
        bank: The model's settings.
        engine: What runs it.

    >>> painter = load()
    >>> grey = np.full((48, 64, 3), 128, np.uint8)
    >>> painter(grey, {"great-wave": 2, "pink-cloud": 1}, strength=0.5, layers={"coarse": 2.0}).shape
    (48, 64, 3)
    """

    def __init__(self, bank: Bank, engine: Engine) -> None:
        self.bank, self.engine = bank, engine

    def __call__(
        self,
        picture: Picture | Image | Pixels,
        style: str | Mapping[str, float],
        *,
        strength: float = DEFAULT_STRENGTH,
        layers: Mapping[str, float] | None = None,
        smoothness: float | None = None,
        keep_colours: bool = False,
    ) -> Pixels:
        """The picture in the manner of a painting: uint8 [H, W, 3], of the same size.

        Args:
            picture: A Pillow image, an array uint8 [H, W, 3] or a `Picture`; its alpha channel plays no part,
                nor do colours where it is 0.
            style: A painting of the bank, or weights of several: a blend.
            strength: 0 (nearly the photograph) to 1.
            layers: Offsets of the style weight by group of layers, fine to coarser.
            smoothness: Weight of the total variation.
            keep_colours: Whether only the brightness is painted and the colours stay.

        Raises:
            YotoError: For an unknown name or a value out of range.
        """
        values = self.bank.parameters(style, strength=strength, layers=layers, smoothness=smoothness)
        return self.paint(pixels_of(picture), values, keep_colours=keep_colours)

    def paint(
        self,
        pixels: Pixels,
        values: Mapping[str, Value],
        *,
        keep_colours: bool = False,
        statistics: Floats | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Pixels:
        """As `__call__`, at free loss parameters and, for frames of one film, with given statistics."""
        painted = tiles.paint(self.engine, pixels, values, statistics=statistics, progress=progress)
        return recoloured(painted, pixels) if keep_colours else painted

    def statistics(self, frames: Sequence[Pixels], values: Mapping[str, Value]) -> Floats:
        """Statistics of several pictures taken together, with which each can then be painted alike."""
        return tiles.measured(self.engine, frames, values)


def pixels_of(picture: Picture | Image | Pixels) -> Pixels:
    """uint8 [H, W, 3] of whatever a painter takes."""
    from PIL import Image

    if isinstance(picture, Picture):
        return visible(picture)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise YotoError(
                f"An array should be uint8 of shape [H, W, 3]. Found {picture.dtype} of shape {picture.shape}."
            )
        return picture
    if not isinstance(picture, Image.Image):
        raise YotoError(
            f"A picture should be a Pillow image or an array uint8 [H, W, 3]. Found {shown(picture)}. "
            "A file is read by PIL.Image.open."
        )
    return visible(of_image(picture))


ROWS = 512
"""Rows that are converted at a time."""


def recoloured(painted: Pixels, photograph: Pixels) -> Pixels:
    """The brightness (Y of YCbCr) of one picture with the colours of the other, both uint8 [H, W, 3]."""
    from PIL import Image

    result = np.empty_like(painted)
    for top in range(0, len(painted), ROWS):
        rows = slice(top, top + ROWS)
        brightness = Image.fromarray(painted[rows]).convert("YCbCr").getchannel(0)
        colours = Image.fromarray(np.ascontiguousarray(photograph[rows])).convert("YCbCr").split()[1:]
        result[rows] = np.asarray(Image.merge("YCbCr", (brightness, *colours)).convert("RGB"))
    return result


def load(
    model: str | os.PathLike[str] | None = None, *, engine: EngineName | None = None, threads: int | None = None
) -> Painter:
    """A painter for a style model.

    Args:
        model: Its name, file or run folder; the bundled one by default.
        engine: "onnxruntime" or "torch"; by default the former where it is installed and the network lies beside the
            model as ONNX.
        threads: Number of threads.

    Raises:
        YotoError: If there is no such model, or the engine cannot run it.

    >>> load("style/bank", engine="torch", threads=1)(np.zeros((32, 32, 3), np.uint8), "great-wave").shape
    (32, 32, 3)
    """
    bank = open_bank(model)
    return Painter(bank, make_engine(bank, engine, threads))
