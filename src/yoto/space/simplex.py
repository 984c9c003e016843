"""Weights that sum to one: a Dirichlet distribution over a group of loss terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, final

from yoto.errors import YotoError, near_misses
from yoto.space.distribution import ROUNDING, TOLERANCE, Distribution, Value
from yoto.space.interval import NARROWEST
from yoto.support.extras import needed
from yoto.support.numbers import number, single

if TYPE_CHECKING:
    from torch import Tensor

STANDARDISATION_DRAWS = 16384


@final
@dataclass(frozen=True)
class Simplex(Distribution):
    """Loss weights of several terms that sum to 1, each at least `minimum`.

    Drawn as `minimum + (1 − m·minimum)·Dirichlet(concentration)` with m terms. Only ratios of weights matter to
    the minimiser, so the conditioning network sees centred logs (log-ratios to the geometric mean), standardised
    to zero mean and unit variance over the distribution.

    Args:
        terms: Names of the loss terms; they are the columns of λ, whatever keyword the group has.
        concentration: Dirichlet parameter of every term: 1 is uniform on the simplex, below 1 prefers corners.
        minimum: Smallest weight, above 0 and below 1/m.

    >>> from yoto import LossSpace
    >>> space = LossSpace(mix=Simplex("content", "style"))
    >>> space.median().tolist(), space.point(content=0.25, style=0.75).tolist()
    ([0.5, 0.5], [0.25, 0.75])
    """

    terms: tuple[str, ...]
    concentration: float = 1.0
    minimum: float = 1e-3
    weight: bool = True
    kind: ClassVar[str] = "simplex"

    def __init__(self, *terms: str | Sequence[str], concentration: float = 1.0, minimum: float = 1e-3) -> None:
        flat = tuple(t for term in terms for t in (term if isinstance(term, (list, tuple)) else [term]))
        if len(flat) < 2 or len(set(flat)) != len(flat) or not all(isinstance(t, str) for t in flat):
            raise YotoError(f"`terms` should be at least two different names (text). Found {flat}.")
        concentration, minimum = number("concentration", concentration), single("minimum", minimum)
        if concentration <= 0:
            raise YotoError(f"`concentration` should be above 0. Found {concentration:g}.")
        if not 0 < minimum < 1 / len(flat):
            raise YotoError(f"`minimum` should lie between 0 and 1/{len(flat)}. Found {minimum:g}.")
        if 1 - len(flat) * minimum < NARROWEST:
            raise YotoError(f"`minimum` should leave weights that differ in float32. Found {minimum!r} of {len(flat)}.")
        object.__setattr__(self, "terms", flat)
        object.__setattr__(self, "concentration", concentration)
        object.__setattr__(self, "minimum", minimum)
        object.__setattr__(self, "weight", True)

    def columns(self, name: str) -> tuple[str, ...]:
        return self.terms

    @property
    def uniforms(self) -> int:
        return len(self.terms)

    def narrowed(self, uniform: Tensor, spread: float) -> Tensor:
        """As of `Distribution`; above 1 weights are raised to the power `spread`, so that they move to the corners."""
        if spread <= 1:
            return super().narrowed(uniform, spread)
        return -(-(-(-uniform).log1p()).pow(spread)).expm1()

    def draw(self, uniform: Tensor, tilt: float) -> Tensor:
        import torch

        survival = (1 - uniform).clamp_(min=torch.finfo(torch.float64).tiny)
        if self.concentration == 1:
            gamma = -survival.log()
        else:
            with needed("A simplex of concentration other than 1"):
                from scipy.special import gammainccinv

            gamma = torch.from_numpy(gammainccinv(self.concentration, survival.numpy())).to(uniform.dtype)
        gamma = gamma.clamp_(min=1e-300)
        shares = gamma / gamma.sum(dim=1, keepdim=True)
        tiny = gamma.amax(dim=1) < 1e-290  # which float64 does not tell apart; F(x) is x^a / Γ(a + 1) there
        if bool(tiny.any()):
            logs = uniform[tiny].clamp(min=torch.finfo(torch.float64).tiny).log() / self.concentration
            shares[tiny] = logs.softmax(dim=1)
        return self.minimum + (1 - len(self.terms) * self.minimum) * shares

    def median(self) -> tuple[float, ...]:
        return (1 / len(self.terms),) * len(self.terms)

    def grid(self, n: int) -> list[tuple[float, ...]]:
        """`n` points along each weight, from the smallest to the largest, the others sharing the rest equally."""
        m = len(self.terms)
        top = 1 - (m - 1) * self.minimum
        points: list[tuple[float, ...]] = []
        for axis in range(m if m > 2 else 1):
            for i in range(n):
                own = self.minimum + (top - self.minimum) * (i / (n - 1) if n > 1 else 0.5)
                points.append(tuple(own if j == axis else (1 - own) / (m - 1) for j in range(m)))
        return points

    def check(self, name: str, value: Value, extrapolate: bool) -> tuple[float, ...]:
        if not isinstance(value, Mapping):
            raise YotoError(f"`{name}` should give weights of {', '.join(self.terms)}. Found {value!r}.")
        for term in value:
            if term not in self.terms:
                raise YotoError(
                    f"`{name}` has no term {term!r}, only {', '.join(self.terms)}.{near_misses(term, self.terms)}"
                )
        missing = [t for t in self.terms if t not in value]
        if missing:
            raise YotoError(f"`{name}` should give a weight for every term. Missing: {', '.join(missing)}.")
        weights = tuple(number(t, value[t]) for t in self.terms)
        if min(weights) <= 0:
            raise YotoError(f"Weights of `{name}` should be above 0. Found {min(weights):g}.")
        if not extrapolate and (abs(sum(weights) - 1) > 1e-4 or min(weights) < self.minimum * (1 - TOLERANCE)):
            raise YotoError(
                f"Weights of `{name}` should be ≥ {self.minimum:g} and sum to 1. Found {dict(value)}, "
                f"sum {sum(weights):g}."
            )
        return weights

    @property
    def total(self) -> float | None:
        return 1.0

    def limits(self) -> tuple[tuple[float, float], ...]:
        return ((self.minimum * (1 - ROUNDING), 1 + ROUNDING),) * len(self.terms)

    @property
    def coordinates(self) -> int:
        return len(self.terms) - 1

    @property
    def widest(self) -> float:
        """Largest log-ratio of two shares that `from_unit` reaches: a twentieth of the smallest weight is cut off."""
        return math.log(20 / self.minimum)

    def to_unit(self, values: Tensor) -> Tensor:
        """Log-ratios to the last weight, over the widest; of what each weight has above the smallest."""
        shares = ((values - self.minimum) / (1 - len(self.terms) * self.minimum)).clamp(min=1e-12)
        ratios = (shares[..., :-1] / shares[..., -1:]).log()
        return (0.5 + 0.5 * ratios / self.widest).clamp(0, 1)

    def from_unit(self, unit: Tensor) -> Tensor:
        import torch

        ratios = (2 * unit - 1) * self.widest
        shares = torch.cat([ratios, torch.zeros_like(ratios[..., :1])], dim=-1).softmax(dim=-1)
        return self.minimum + (1 - len(self.terms) * self.minimum) * shares

    def describe(self, name: str, values: Sequence[float]) -> dict[str, float]:
        return dict(zip(self.terms, values, strict=True))

    @cached_property
    def deviation(self) -> float:
        """Standard deviation of a centred log over the distribution; the mean is 0 by symmetry."""
        import torch

        generator = torch.Generator("cpu").manual_seed(0)
        size = (STANDARDISATION_DRAWS, self.uniforms)
        uniform = torch.rand(size, generator=generator, dtype=torch.float64, device="cpu")
        logs = self.draw(uniform, 0.0).log()
        centred = logs - logs.mean(dim=1, keepdim=True)
        return float(centred.square().mean().sqrt())

    def encode(self, values: Tensor, fourier: int) -> Tensor:
        logs = values.log()
        return (logs - logs.mean(dim=-1, keepdim=True)) / self.deviation

    def encoded(self, fourier: int) -> int:
        return len(self.terms)

    def to_dict(self) -> dict[str, Any]:
        return {
            "distribution": self.kind,
            "terms": list(self.terms),
            "concentration": self.concentration,
            "minimum": self.minimum,
        }
