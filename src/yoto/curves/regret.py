"""How much one model loses against models trained for each λ alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yoto.errors import YotoError

if TYPE_CHECKING:
    from collections.abc import Sequence


def geometric_mean(values: Sequence[float | None]) -> float | None:
    """Geometric mean of positive numbers, or None where one of them is missing or there is none."""
    known = [value for value in values if value is not None]
    if not values or len(known) < len(values):
        return None
    return math.exp(sum(math.log(value) for value in known) / len(known))


def ratios(loss: Sequence[float], reference: Sequence[float], floor: Sequence[float]) -> tuple[float | None, ...]:
    """(loss - floor) / (reference - floor), or None where one of the two is not positive."""
    return tuple(
        (mine - low) / (other - low) if mine > low and other > low else None
        for mine, other, low in zip(loss, reference, floor, strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class Regret:
    """Loss of one model minus that of the model trained for the same λ, at each of m points.

    The difference always exists. A ratio exists only where both losses are positive, and the ratio of
    the excess only where a floor is known: a loss that no model can go below, such as the entropy of
    the data under a Bernoulli likelihood. The floor dilutes the plain ratio, so the excess is the
    stricter figure.

    Attributes:
        points: The free parameters at each point.
        loss: Loss of the judged model, in the loss's unit.
        reference: Loss of the model trained for that point alone.
        floor: The lowest loss possible at each point, or None.
    """

    points: tuple[dict[str, float], ...]
    loss: tuple[float, ...]
    reference: tuple[float, ...]
    floor: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.points or len({len(self.points), len(self.loss), len(self.reference)}) != 1:
            raise YotoError(
                "`points`, `loss` and `reference` should be of one length, at least 1. "
                f"Found {len(self.points)}, {len(self.loss)} and {len(self.reference)}."
            )

    @property
    def difference(self) -> tuple[float, ...]:
        """`loss` - `reference`, in the loss's unit; below zero the judged model is the better one."""
        return tuple(mine - other for mine, other in zip(self.loss, self.reference, strict=True))

    @property
    def ratio(self) -> tuple[float | None, ...]:
        """`loss` / `reference`; None where one of them is not positive."""
        return ratios(self.loss, self.reference, [0.0] * len(self.loss))

    @property
    def excess_ratio(self) -> tuple[float | None, ...] | None:
        """(loss - floor) / (reference - floor), or None where no floor is known."""
        return None if self.floor is None else ratios(self.loss, self.reference, self.floor)

    @property
    def mean_difference(self) -> float:
        """Mean of `difference` over the points."""
        return sum(self.difference) / len(self.difference)

    @property
    def geometric_mean(self) -> float | None:
        """Geometric mean of `ratio` over the points, or None where a ratio is undefined."""
        return geometric_mean(self.ratio)

    @property
    def excess_geometric_mean(self) -> float | None:
        """Geometric mean of `excess_ratio` over the points, or None where one is undefined."""
        return None if self.excess_ratio is None else geometric_mean(self.excess_ratio)

    def values(self, measure: str) -> tuple[float, ...] | None:
        """One measure at every point, or None where it is not defined at every one of them.

        Args:
            measure: "excess" (ratio over the floor), "ratio" or "difference".
        """
        if measure == "difference":
            return self.difference
        found = {"excess": self.excess_ratio, "ratio": self.ratio}[measure]
        known = [value for value in found or () if value is not None]
        return tuple(known) if len(known) == len(self.points) else None

    def mean(self, measure: str) -> float | None:
        """Geometric mean of a ratio or arithmetic mean of "difference" over the points; None where undefined."""
        values = self.values(measure)
        if values is None:
            return None
        return self.mean_difference if measure == "difference" else geometric_mean(values)

    @property
    def measure(self) -> str:
        """The strictest measure that is defined everywhere: "excess", else "ratio", else "difference"."""
        return next(name for name in ("excess", "ratio", "difference") if self.values(name) is not None)

    @property
    def worst(self) -> int:
        """Index of the point with the largest regret, by `measure`."""
        values = self.values(self.measure)
        assert values is not None
        return max(range(len(values)), key=lambda index: values[index])

    def to_dict(self) -> dict[str, object]:
        """Every figure as JSON-able values."""
        return {
            "points": list(self.points),
            "loss": list(self.loss),
            "reference": list(self.reference),
            "floor": None if self.floor is None else list(self.floor),
            "difference": list(self.difference),
            "ratio": list(self.ratio),
            "excess_ratio": None if self.excess_ratio is None else list(self.excess_ratio),
            "mean_difference": self.mean_difference,
            "geometric_mean": self.geometric_mean,
            "excess_geometric_mean": self.excess_geometric_mean,
            "worst_point": self.points[self.worst],
        }
