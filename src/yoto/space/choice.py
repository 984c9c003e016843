"""Named alternatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

from yoto.errors import YotoError, near_misses
from yoto.space.distribution import ROUNDING, TOLERANCE, Distribution, Value
from yoto.support.numbers import number

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class Choice(Distribution):
    """One of several named alternatives, uniformly: a one-hot group of columns, or a blend of them.

    λ holds convex weights of the names, so `{"waves": 0.5, "stars": 0.5}` is a blend. The conditioning network
    sees the weights themselves; its first linear layer is thereby an embedding of the names.

    >>> from yoto import LossSpace
    >>> space = LossSpace(style=Choice("waves", "stars"))
    >>> space.point(style="stars").tolist(), space.point(style={"waves": 0.25, "stars": 0.75}).tolist()
    ([0.0, 1.0], [0.25, 0.75])
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

    @property
    def total(self) -> float | None:
        return 1.0

    def limits(self) -> tuple[tuple[float, float], ...]:
        return ((-ROUNDING, 1 + ROUNDING),) * len(self.options)

    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        return {c: v for c, v in zip(self.columns(name), values, strict=True) if v != 0}

    def encode(self, values: Tensor, fourier: int) -> Tensor:
        return values

    def encoded(self, fourier: int) -> int:
        return len(self.options)

    def to_dict(self) -> dict[str, Any]:
        return {"distribution": self.kind, "options": list(self.options)}
