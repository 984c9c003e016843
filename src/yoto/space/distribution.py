"""Distributions of loss parameters: what one keyword of a `LossSpace` stands for.

A distribution owns one or more columns of λ. It knows its range, how a number of it is drawn, what the
conditioning network is told about it, and how it is written to JSON. torch is imported where tensors are
made, so that ranges can be read and checked without it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor

Value: TypeAlias = "float | str | Mapping[str, float]"
"""What a user gives for one parameter: a number, the name of a choice, or weights by name."""

ROUNDING = 1e-4
"""Relative slack at the ends of a range for values that were computed in float32."""
TOLERANCE = 1e-6
"""Relative slack at the ends of a range, so that values that went through float32 still lie inside."""


class Distribution(ABC):
    """One entry of a loss space: `width` columns of λ, driven by `uniforms` independent uniform numbers."""

    kind: ClassVar[str]
    weight: bool
    """Whether the columns weigh loss terms of the same names."""

    @abstractmethod
    def columns(self, name: str) -> tuple[str, ...]:
        """Names of the columns, given the keyword under which the distribution stands in the space."""

    @property
    @abstractmethod
    def uniforms(self) -> int:
        """How many independent uniform numbers one draw takes; 0 for a constant."""

    @abstractmethod
    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        """Map uniform numbers [n, uniforms] in [0, 1) (float64) to values [n, width] (float64)."""

    def narrowed(self, uniform: Tensor, spread: float) -> Tensor:
        """Uniform numbers brought to the middle `spread` of [0, 1], so that `draw` stays near the median.

        Above 1 the share 1 - 1/spread comes to lie at 0 and 1, half of it each.
        """
        return (0.5 + spread * (uniform - 0.5)).clamp(0, 1)

    @abstractmethod
    def median(self) -> tuple[float, ...]:
        """The middle of the distribution, one number per column."""

    @abstractmethod
    def grid(self, n: int) -> list[tuple[float, ...]]:
        """Up to `n` points from one end to the other, evenly spaced in probability."""

    @abstractmethod
    def check(self, name: str, value: Value, extrapolate: bool) -> tuple[float, ...]:
        """The columns' values for what the user gave; a `YotoError` names the range otherwise."""

    def limits(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest value of each column, with room for float32's rounding."""
        return ((-math.inf, math.inf),)

    @property
    def total(self) -> float | None:
        """What the columns of a value inside the range sum to; None where that is open."""
        return None

    def widened(self, name: str, wider: Distribution) -> Distribution:
        """`wider`, shown to the conditioning network so that the values of this range keep their meaning.

        Raises:
            YotoError: If it does not hold this range, or there is no such thing for this distribution.
        """
        raise YotoError(f"`{name}` should be a range (uniform or log-uniform) to be widened. Found {self.kind}.")

    @abstractmethod
    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        """What a person is told of the columns' values."""

    @abstractmethod
    def encode(self, values: Tensor, fourier: int) -> Tensor:
        """Values [..., width] to conditioning features [..., encoded(fourier)], scaled to about [-1, 1]."""

    @abstractmethod
    def encoded(self, fourier: int) -> int:
        """Number of conditioning features; 0 for a constant."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, read back by `from_dict`."""

    @property
    def coordinates(self) -> int:
        """How many numbers in [0, 1] place a value in its range, on the distribution's scale; 0 where none do."""
        return 0

    def to_unit(self, values: Tensor) -> Tensor:
        """Values [..., width] to coordinates [..., coordinates], clamped to [0, 1]."""
        return values[..., :0]

    def from_unit(self, unit: Tensor) -> Tensor:
        """Coordinates [..., coordinates] to values [..., width], differentiably."""
        return unit.new_tensor(self.median()).expand(*unit.shape[:-1], -1)

    def raw(self, values: Tensor) -> Tensor:
        """Values [..., width] as the paper's code feeds them: logs of weights, anything else unchanged."""
        return values.log() if self.weight else values
