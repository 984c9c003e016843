"""Parameters of one column: constants, and intervals with a uniform or log-uniform distribution."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, final

from yoto.errors import YotoError
from yoto.space.distribution import ROUNDING, TOLERANCE, Distribution, Value
from yoto.support.numbers import number, single

if TYPE_CHECKING:
    from torch import Tensor


NARROWEST = 1e-6
"""Width of a range beside its larger end: about ten float32 numbers."""
STEEPEST = 600.0
"""Tilt whose exponential float64 holds."""


def tilted(uniform: Tensor, tilt: float) -> Tensor:
    """Positions u in [0, 1] with density ∝ exp(−tilt·u), by the inverse of its distribution function."""
    if abs(tilt) < 1e-9:
        return uniform
    if tilt < -STEEPEST:  # the exponential would overflow
        return 1 - tilted(1 - uniform, -tilt)
    return (-(uniform * math.expm1(-tilt)).log1p() / tilt).clamp(0, 1)  # at 1 the logarithm may be infinite


def check_weight(weight: Any) -> None:
    """Refuse what is neither true nor false: "no" would count as true."""
    if weight not in (True, False):
        raise YotoError(f"`weight` should be True or False. Found {weight!r}.")


def scalar_features(position: Tensor, fourier: int) -> Tensor:
    """[..., 1] in [-1, 1] to [..., 1 + 2·fourier]: u, then sin and cos of k·π·u/2 for k = 1..fourier."""
    if fourier == 0:
        return position
    import torch

    angles = [position * (math.pi / 2 * k) for k in range(1, fourier + 1)]
    return torch.cat([position, *[a.sin() for a in angles], *[a.cos() for a in angles]], dim=-1)


@final
@dataclass(frozen=True)
class Fixed(Distribution):
    """A constant: a weight that every sample shares. The conditioning network is not told about it.

    >>> from yoto import LossSpace
    >>> LossSpace(fit=Fixed(2.0), kl=LogUniform(0.5, 128.0)).point(kl=4.0).tolist()
    [2.0, 4.0]
    """

    value: float
    weight: bool = True
    kind: ClassVar[str] = "fixed"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        value = single("value", self.value)
        if self.weight and value < 0:
            raise YotoError(f"`value` of a fixed loss weight should be ≥ 0. Found {value:g}.")
        object.__setattr__(self, "value", value)

    def columns(self, name: str) -> tuple[str, ...]:
        return (name,)

    @property
    def uniforms(self) -> int:
        return 0

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        return uniform.new_full((uniform.shape[0], 1), self.value)

    def median(self) -> tuple[float, ...]:
        return (self.value,)

    def grid(self, n: int) -> list[tuple[float, ...]]:
        return [(self.value,)]

    def check(self, name: str, value: Value, extrapolate: bool) -> tuple[float, ...]:
        given = number(name, value)
        if not math.isclose(given, self.value, rel_tol=TOLERANCE):
            raise YotoError(f"`{name}` is fixed at {self.value:g} in this loss space. Found {given:g}. Leave it out.")
        return (self.value,)

    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        return {name: values[0]}

    def encode(self, values: Tensor, fourier: int) -> Tensor:
        return values[..., :0]

    def encoded(self, fourier: int) -> int:
        return 0

    def to_dict(self) -> dict[str, Any]:
        return {"distribution": self.kind, "value": self.value, "weight": self.weight}


@dataclass(frozen=True)
class Interval(Distribution):
    """What `Uniform` and `LogUniform` share: one column between two ends.

    Attributes:
        weight: Whether it weighs the loss term of its name.
        anchor: The ends that the conditioning network sees as −1 and 1, of a model whose range was widened; else those
            of the range.
    """

    low: float
    high: float
    weight: bool = True
    anchor: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)
        low, high = single("low", self.low), single("high", self.high)
        if not low < high:
            raise YotoError(f"`low` should be below `high`. Found low={low:g}, high={high:g}.")
        if high - low < NARROWEST * max(abs(low), abs(high)):
            raise YotoError(f"`low` and `high` should differ in float32, as λ is kept. Found {low!r} and {high!r}.")
        if self.weight and low < 0:
            raise YotoError(
                f"`low` of a loss weight should be ≥ 0. Found {low:g}. "
                "A parameter that is no weight takes weight=False."
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        if self.anchor is not None:
            object.__setattr__(self, "anchor", self.checked_anchor(self.anchor))

    def checked_anchor(self, anchor: object) -> tuple[float, float]:
        """Two numbers, the lower one first."""
        ends = tuple(number("anchor", end) for end in anchor) if isinstance(anchor, Sequence) else ()
        if len(ends) != 2 or not self.lowest_end() <= ends[0] < ends[1]:
            above = " above 0" if self.lowest_end() > 0 else ""
            raise YotoError(f"`anchor` should hold two ends of a range{above}, the lower one first. Found {anchor!r}.")
        return ends[0], ends[1]

    def lowest_end(self) -> float:
        """The lowest number at which such a range can begin."""
        return -math.inf

    @property
    def shown(self) -> tuple[float, float]:
        """The values that the conditioning network sees as −1 and 1."""
        return self.anchor or (self.low, self.high)

    def widened(self, name: str, wider: Distribution) -> Distribution:
        if not isinstance(wider, Interval) or wider.kind != self.kind or wider.weight != self.weight:
            raise YotoError(f"`{name}` should stay {self!r} with other ends. Found {wider!r}.")
        if not wider.low <= self.low < self.high <= wider.high:
            raise YotoError(
                f"`{name}` should be given a range that holds [{self.low:g}, {self.high:g}], the present one. "
                f"Found [{wider.low:g}, {wider.high:g}]."
            )
        return replace(wider, anchor=self.shown)

    @abstractmethod
    def value_at(self, position: float) -> float:
        """The value at a position in [0, 1] of the range."""

    @abstractmethod
    def between(self, values: Tensor, low: float, high: float) -> Tensor:
        """Values to positions, 0 and 1 at two ends."""

    def position(self, values: Tensor) -> Tensor:
        """Values to positions, 0 and 1 at the ends that are shown as −1 and 1."""
        return self.between(values, *self.shown)

    def slack(self) -> float:
        """Scale of the range, to which the tolerance at its ends is relative."""
        return 0.0

    @property
    def uniforms(self) -> int:
        return 1

    def columns(self, name: str) -> tuple[str, ...]:
        return (name,)

    def median(self) -> tuple[float, ...]:
        return (self.value_at(0.5),)

    def grid(self, n: int) -> list[tuple[float, ...]]:
        if n == 1:
            return [self.median()]
        inner = [(self.value_at(i / (n - 1)),) for i in range(1, n - 1)]
        return [(self.low,), *inner, (self.high,)]

    def check(self, name: str, value: Value, extrapolate: bool) -> tuple[float, ...]:
        given = number(name, value)
        below, above = (TOLERANCE * max(abs(end), self.slack()) for end in (self.low, self.high))
        if not self.low - below <= given <= self.high + above and not extrapolate:
            raise YotoError(
                f"`{name}` should lie in [{self.low:g}, {self.high:g}], the range of its {self.kind} distribution. "
                f"Found {given:g}. Give a value inside",
                ", or allow extrapolation (extrapolate=True).",
            )
        if given <= 0 and isinstance(self, LogUniform):
            raise YotoError(f"`{name}` should be above 0. Found {given:g}.")
        return (given,)

    @property
    def coordinates(self) -> int:
        return 1

    def to_unit(self, values: Tensor) -> Tensor:
        return self.between(values, self.low, self.high).clamp(0, 1)

    def from_unit(self, unit: Tensor) -> Tensor:
        return self.draw(unit, 0.0).clamp(self.low, self.high)

    def limits(self) -> tuple[tuple[float, float], ...]:
        below, above = (ROUNDING * max(abs(end), self.slack()) for end in (self.low, self.high))
        return ((self.low - below, self.high + above),)

    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        return {name: values[0]}

    def encode(self, values: Tensor, fourier: int) -> Tensor:
        return scalar_features(self.position(values) * 2 - 1, fourier)

    def encoded(self, fourier: int) -> int:
        return 1 + 2 * fourier

    def to_dict(self) -> dict[str, Any]:
        anchor = {} if self.anchor is None else {"anchor": list(self.anchor)}
        return {"distribution": self.kind, "low": self.low, "high": self.high, "weight": self.weight, **anchor}


@final
@dataclass(frozen=True)
class Uniform(Interval):
    """Uniform on [low, high]. With `weight=False` a parameter of the loss that is no weight of a term.

    >>> Uniform(0.0, 1.0, weight=False).grid(3)
    [(0.0,), (0.5,), (1.0,)]
    """

    kind: ClassVar[str] = "uniform"

    def slack(self) -> float:
        return self.high - self.low

    def value_at(self, position: float) -> float:
        return self.low + (self.high - self.low) * position

    def between(self, values: Tensor, low: float, high: float) -> Tensor:
        return (values - low) / (high - low)

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        return self.low + (self.high - self.low) * tilted(uniform, tilt)


@final
@dataclass(frozen=True)
class LogUniform(Interval):
    """Log-uniform on [low, high], 0 < low: every factor of two is as likely as every other.

    >>> [round(value, 6) for (value,) in LogUniform(0.5, 128.0).grid(5)]
    [0.5, 2.0, 8.0, 32.0, 128.0]
    """

    kind: ClassVar[str] = "log-uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise YotoError(
                f"`low` of a log-uniform distribution should be above 0. Found {self.low:g}. "
                "Use Uniform for a range that contains 0."
            )

    def value_at(self, position: float) -> float:
        return math.exp(math.log(self.low) + math.log(self.high / self.low) * position)

    def between(self, values: Tensor, low: float, high: float) -> Tensor:
        return (values.log() - math.log(low)) / math.log(high / low)

    def lowest_end(self) -> float:
        return math.ulp(0.0)

    def raw(self, values: Tensor) -> Tensor:
        return values.log()

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        return (math.log(self.low) + math.log(self.high / self.low) * tilted(uniform, tilt)).exp()
