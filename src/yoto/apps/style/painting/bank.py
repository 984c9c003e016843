"""What a style model can be asked for: its paintings, and the ranges of strength, layers and smoothness.

Importing this module imports neither torch nor NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yoto import bundle
from yoto.apps.style.options import LAYERS, PAINTING
from yoto.errors import YotoError, near_misses
from yoto.space import Choice, LogUniform, Value
from yoto.support.numbers import is_number, number, shown

DEFAULT = "style/bank"
DEFAULT_STRENGTH = 0.7


@dataclass(frozen=True)
class Style:
    """A painting of a bank.

    Attributes:
        name: What `style` takes.
        title, artist, date, source, licence: As its collection gives them, or "".

    >>> [style.date for style in open_bank().styles if style.name == "great-wave"]
    ['1826']
    """

    name: str
    title: str = ""
    artist: str = ""
    date: str = ""
    source: str = ""
    licence: str = ""


class Bank:
    """The settings of a style model, known from its header alone.

    Args:
        header: Of the model.

    Raises:
        YotoError: If it is no style model that was trained for a range of weights.

    >>> bank = open_bank()
    >>> bank.blend({"great-wave": 3, "pink-cloud": 1})
    {'great-wave': 0.75, 'pink-cloud': 0.25}
    >>> round(bank.weight(0.5), 2)
    0.77
    """

    def __init__(self, header: bundle.Header) -> None:
        if header.task != "style" or header.conditioning is None or header.recipe is None:
            raise YotoError(
                f"A style model trained for a range of weights is needed. Found {str(header.path)!r}. "
                "yoto train style/bank makes one."
            )
        self.header, self.space = header, header.space
        self.names: tuple[str, ...] = tuple(header.recipe["options"]["paintings"])
        facts = header.info.get("styles") or [{"name": name} for name in self.names]
        self.styles = tuple(Style(**entry) for entry in facts)

    def blend(self, style: str | Mapping[str, float]) -> dict[str, float]:
        """Weights of the paintings, above 0 and with the sum 1, from a name or from weights in any proportion.

        Raises:
            YotoError: For an unknown name, or weights of which none is above 0.
        """
        if not isinstance(style, str | Mapping):
            raise YotoError(
                f"`style` should be a name or weights by name, {{{self.names[0]!r}: 2.0}} say. Found {shown(style)}."
            )
        given = {style: 1.0} if isinstance(style, str) else dict(style)
        for name in given:
            if name not in self.names:
                raise YotoError(
                    f"`style` should be one of {', '.join(self.names)}. Found {name!r}.{near_misses(name, self.names)}"
                )
        weights = {name: number(name, weight) for name, weight in given.items()}
        total = sum(weights.values())
        if not 0 < total < float("inf") or min(weights.values()) < 0:
            raise YotoError(f"Weights of styles should be ≥ 0 and not all 0, their sum finite. Found {given}.")
        return {name: weight / total for name, weight in weights.items() if weight > 0}

    def extent(self, name: str) -> tuple[float, float]:
        """Lowest and highest value of a free parameter."""
        distribution = self.space.parameters[name]
        assert isinstance(distribution, LogUniform)
        return distribution.low, distribution.high

    def value(self, name: str, share: float) -> float:
        """The value at a share of a free parameter's range, 0 and 1 its ends, on a log scale."""
        low, high = self.extent(name)
        return float(min(max(low * (high / low) ** share, low), high))

    def weight(self, strength: float) -> float:
        """The total style weight at a strength: 0 and 1 are the ends of its range, on a log scale.

        Raises:
            YotoError: If it leaves [0, 1].
        """
        if not (is_number(strength) and 0 <= strength <= 1):
            raise YotoError(f"`strength` should lie in 0 to 1. Found {shown(strength)}.")
        return self.value("style", float(strength))

    def parameters(
        self,
        style: str | Mapping[str, float],
        *,
        strength: float = DEFAULT_STRENGTH,
        layers: Mapping[str, float] | None = None,
        smoothness: float | None = None,
    ) -> dict[str, Value]:
        """The free loss parameters of a setting.

        Args:
            style: A painting, or weights of several.
            strength: 0 (nearly the photograph) to 1.
            layers: Offsets of the groups of layers ("fine", "mid", "coarse", "coarser"), by which the total style
                weight is multiplied; 1 where not given.
            smoothness: Weight of the total variation; the middle of its range by default.

        Raises:
            YotoError: For an unknown name or a value out of range.
        """
        if not isinstance(layers, Mapping | None):
            raise YotoError(f"`layers` should be offsets by name, such as {{'coarse': 2.0}}. Found {shown(layers)}.")
        values: dict[str, Value] = {"style": self.weight(strength)}
        for name, offset in (layers or {}).items():
            if name not in LAYERS:
                raise YotoError(
                    f"`layer` should be one of {', '.join(LAYERS)}. Found {name!r}.{near_misses(name, LAYERS)}"
                )
            values[name] = offset
        for name in LAYERS:
            values.setdefault(name, 1.0)
        values["smoothness"] = self.value("smoothness", 0.5) if smoothness is None else smoothness
        weights = self.blend(style)
        if PAINTING in self.space.parameters:
            assert isinstance(self.space.parameters[PAINTING], Choice)
            values[PAINTING] = weights
        try:
            self.space.check(values)
        except YotoError as error:
            raise YotoError(str(error).partition(" Give a value inside")[0]) from None
        return values

    def network(self) -> Path | None:
        """The ONNX network that lies beside the model's file, if one does."""
        path = self.header.path.with_suffix(".onnx")
        return path if path.is_file() else None


def open_bank(model: str | os.PathLike[str] | None = None) -> Bank:
    """The bank of a model by name or file, the bundled one by default; needs no torch.

    Raises:
        YotoError: If it is missing, damaged or no style model.

    >>> len(open_bank("style/bank").names)
    8
    """
    return Bank(bundle.read_header(model or DEFAULT))
