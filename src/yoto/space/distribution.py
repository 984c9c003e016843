"""Distributions of loss parameters: what one keyword of a `LossSpace` stands for.

A distribution owns one or more columns of λ. It knows its range, how a number of it is drawn, what the
conditioning network is told about it, and how it is written to JSON. torch is imported where tensors are
made, so that ranges can be read and checked without it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

from yoto.errors import YotoError, near_misses

if TYPE_CHECKING:
    from torch import Tensor

Value: TypeAlias = "float | str | Mapping[str, float]"
"""What a user gives for one parameter: a number, the name of a choice, or weights by name."""

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
        """Uniform numbers brought to the middle `spread` of [0, 1], so that `draw` stays near the median."""
        return 0.5 + spread * (uniform - 0.5)

    @abstractmethod
    def median(self) -> tuple[float, ...]:
        """The middle of the distribution, one number per column."""

    @abstractmethod
    def grid(self, n: int) -> list[tuple[float, ...]]:
        """Up to `n` points from one end to the other, evenly spaced in probability."""

    @abstractmethod
    def check(self, name: str, value: Value, extrapolate: bool) -> tuple[float, ...]:
        """The columns' values for what the user gave; a `YotoError` names the range otherwise."""

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

    def raw(self, values: Tensor) -> Tensor:
        """Values [..., width] as the paper's code feeds them: logs of weights, anything else unchanged."""
        return values.log() if self.weight else values


def number(name: str, value: Value) -> float:
    """`value` as a finite float, or a `YotoError`."""
    try:
        result = math.nan if isinstance(value, (bool, str, Mapping)) else float(value)
    except TypeError:
        result = math.nan
    if math.isnan(result) and not isinstance(value, float):
        raise YotoError(f"`{name}` should be a number. Found {value!r}.")
    if not math.isfinite(result):
        raise YotoError(f"`{name}` should be a finite number. Found {result}.")
    return result


def tilted(uniform: Tensor, tilt: float) -> Tensor:
    """Positions u in [0, 1] with density ∝ exp(−tilt·u), by the inverse of its distribution function."""
    if abs(tilt) < 1e-9:
        return uniform
    return -(uniform * math.expm1(-tilt)).log1p() / tilt


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
    """A constant: a weight that every sample shares. The conditioning network is not told about it."""

    value: float
    weight: bool = True
    kind: ClassVar[str] = "fixed"

    def __post_init__(self) -> None:
        value = number("value", self.value)
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
    """What `Uniform` and `LogUniform` share: one column between two ends."""

    low: float
    high: float
    weight: bool = True

    def __post_init__(self) -> None:
        low, high = number("low", self.low), number("high", self.high)
        if not low < high:
            raise YotoError(f"`low` should be below `high`. Found low={low:g}, high={high:g}.")
        if self.weight and low < 0:
            raise YotoError(
                f"`low` of a loss weight should be ≥ 0. Found {low:g}. "
                "A parameter that is no weight takes weight=False."
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @abstractmethod
    def value_at(self, position: float) -> float:
        """The value at a position in [0, 1] of the range."""

    @abstractmethod
    def position(self, values: Tensor) -> Tensor:
        """Values to positions in [0, 1] (outside when extrapolating)."""

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
                f"Found {given:g}. Give a value inside, or allow extrapolation (extrapolate=True)."
            )
        if given <= 0 and isinstance(self, LogUniform):
            raise YotoError(f"`{name}` should be above 0. Found {given:g}.")
        return (given,)

    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        return {name: values[0]}

    def encode(self, values: Tensor, fourier: int) -> Tensor:
        return scalar_features(self.position(values) * 2 - 1, fourier)

    def encoded(self, fourier: int) -> int:
        return 1 + 2 * fourier

    def to_dict(self) -> dict[str, Any]:
        return {"distribution": self.kind, "low": self.low, "high": self.high, "weight": self.weight}


@final
@dataclass(frozen=True)
class Uniform(Interval):
    """Uniform on [low, high]. With `weight=False` a parameter of the loss that is no weight of a term."""

    kind: ClassVar[str] = "uniform"

    def slack(self) -> float:
        return self.high - self.low

    def value_at(self, position: float) -> float:
        return self.low + (self.high - self.low) * position

    def position(self, values: Tensor) -> Tensor:
        return (values - self.low) / (self.high - self.low)

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        return self.low + (self.high - self.low) * tilted(uniform, tilt)


@final
@dataclass(frozen=True)
class LogUniform(Interval):
    """Log-uniform on [low, high], 0 < low: every factor of two is as likely as every other."""

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

    def position(self, values: Tensor) -> Tensor:
        return (values.log() - math.log(self.low)) / math.log(self.high / self.low)

    def raw(self, values: Tensor) -> Tensor:
        return values.log()

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        return (math.log(self.low) + math.log(self.high / self.low) * tilted(uniform, tilt)).exp()


@final
@dataclass(frozen=True)
class Choice(Distribution):
    """One of several named alternatives, uniformly: a one-hot group of columns, or a blend of them.

    λ holds convex weights of the names, so `{"waves": 0.5, "stars": 0.5}` is a blend. The conditioning network
    sees the weights themselves; its first linear layer is thereby an embedding of the names.
    """

    options: tuple[str, ...]
    weight: bool = False
    kind: ClassVar[str] = "choice"

    def __init__(self, *options: str | Sequence[str], weight: bool = False) -> None:
        flat = tuple(o for option in options for o in (option if isinstance(option, (list, tuple)) else [option]))
        if len(flat) < 2 or len(set(flat)) != len(flat) or not all(isinstance(o, str) for o in flat):
            raise YotoError(f"`options` should be at least two different names (text). Found {flat}.")
        if weight:
            raise YotoError("A Choice is no loss weight. Use Simplex for weights that sum to 1.")
        object.__setattr__(self, "options", flat)
        object.__setattr__(self, "weight", False)

    def columns(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name}:{option}" for option in self.options)

    @property
    def uniforms(self) -> int:
        return 1

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        import torch

        index = (uniform[:, 0] * len(self.options)).long().clamp_(max=len(self.options) - 1)
        return torch.nn.functional.one_hot(index, len(self.options)).to(uniform.dtype)

    def narrowed(self, uniform: Tensor, spread: float) -> Tensor:
        return uniform  # names have no middle

    def one_hot(self, option: str) -> tuple[float, ...]:
        return tuple(float(o == option) for o in self.options)

    def median(self) -> tuple[float, ...]:
        return self.one_hot(self.options[0])

    def grid(self, n: int) -> list[tuple[float, ...]]:
        return [self.one_hot(option) for option in self.options]

    def check(self, name: str, value: Value, extrapolate: bool) -> tuple[float, ...]:
        if isinstance(value, str):
            value = {value: 1.0}
        if not isinstance(value, Mapping):
            raise YotoError(
                f"`{name}` should be one of {', '.join(self.options)}, or weights of them. Found {value!r}."
            )
        for option in value:
            if option not in self.options:
                raise YotoError(
                    f"`{name}` should be one of {', '.join(self.options)}. Found {option!r}."
                    f"{near_misses(option, self.options)}"
                )
        weights = tuple(number(f"{name}:{o}", value.get(o, 0.0)) for o in self.options)
        if not extrapolate and (min(weights) < -TOLERANCE or abs(sum(weights) - 1) > 1e-4):
            raise YotoError(
                f"Weights of `{name}` should be ≥ 0 and sum to 1. Found {dict(value)}, sum {sum(weights):g}."
            )
        return weights

    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        return {c: v for c, v in zip(self.columns(name), values, strict=True) if v != 0}

    def encode(self, values: Tensor, fourier: int) -> Tensor:
        return values

    def encoded(self, fourier: int) -> int:
        return len(self.options)

    def to_dict(self) -> dict[str, Any]:
        return {"distribution": self.kind, "options": list(self.options)}
