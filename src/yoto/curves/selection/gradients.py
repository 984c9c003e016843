"""Derivatives of measured means by λ, exact by automatic differentiation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from yoto.curves.selection.coordinates import Coordinates, Names, Place
from yoto.curves.selection.evaluations import Evaluations, Lam
from yoto.curves.selection.request import Measured

Derive: TypeAlias = Callable[[Tensor], Iterable[tuple[int, Mapping[str, Tensor]]]]
"""λ [D] to the size B of every batch and its quantities, [B] each (or one number, reduced), with a graph that leads
back to λ."""
Jacobian: TypeAlias = dict[str, np.ndarray]

STEP = 0.01
"""Of the finite difference that derivatives are held against, as a share of the range."""
AGREEMENT = 0.25
"""Largest difference of the two, as a share of the larger, below which derivatives are believed."""


@final
class Gradients:
    """Values and derivatives at places, each computed once and kept among the evaluations.

    Args:
        derive: Computes them on a fixed part of the data.
        coordinates: What places mean.
        names: The quantities that are derived.
        evaluations: Of the same part of the data.
    """

    def __init__(
        self, derive: Derive, coordinates: Coordinates, names: Sequence[str], evaluations: Evaluations
    ) -> None:
        self.derive, self.coordinates, self.names, self.evaluations = derive, coordinates, names, evaluations
        self.known: dict[Lam, tuple[Measured, Jacobian, Jacobian]] = {}

    def __call__(self, x: Sequence[float], names: Names) -> tuple[Measured, Jacobian, Jacobian]:
        """What is measured at x and options, and the derivatives [d] of its means and of their standard errors.

        Raises:
            Exhausted: If a limit is reached.
        """
        lam = self.coordinates.lam(x, names)
        if lam not in self.known:
            budget = self.evaluations.budget
            budget.allow(1, self.evaluations.share)
            started = budget.clock()
            self.known[lam] = self.compute(x, names, lam)
            self.evaluations.known[lam] = self.known[lam][0]
            budget.spend(1, self.evaluations.share, budget.clock() - started)
        return self.known[lam]

    def compute(self, x: Sequence[float], names: Names, lam: Lam) -> tuple[Measured, Jacobian, Jacobian]:
        """The same, anew; one batch's graph at a time."""
        place = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        moments: dict[str, Moments] = {}
        samples = 0
        with torch.enable_grad():
            for size, found in self.derive(self.coordinates.tensor(place, names)):
                samples += size
                for name, values in found.items():
                    moments.setdefault(name, Moments(len(x))).add(values, size, place if name in self.names else None)
        measured = Measured(
            lam=lam,
            values={name: each.mean for name, each in moments.items()},
            errors={name: each.error for name, each in moments.items() if not each.reduced and samples > 1},
            samples=samples,
        )
        slopes = {name: moments[name].mean_slope for name in self.names}
        return measured, slopes, {name: moments[name].error_slope for name in self.names if name in measured.errors}

    def agree(self, place: Place) -> bool:
        """Whether the derivatives are those of what is measured, by a central difference near a place.

        They are not where a quantity is rounded, thresholded or computed outside of torch's graph.

        Raises:
            Exhausted: If a limit is reached.
        """
        x, names = np.array(place[0]), place[1]
        if not len(x):
            return False
        x = np.clip(x, 2 * STEP, 1 - 2 * STEP)
        direction = np.where(np.arange(len(x)) % 2, -1.0, 1.0) / np.sqrt(len(x))
        try:
            _, slopes, _ = self(x.tolist(), names)
        except RuntimeError:  # torch's, of what has no derivative
            return False
        ends = [self.coordinates.lam((x + side * STEP * direction).tolist(), names) for side in (-1, 1)]
        low, high = self.evaluations(ends)
        for name in self.names:
            exact = float(slopes[name] @ direction)
            rough = (high.values[name] - low.values[name]) / (2 * STEP)
            floor = 1e-4 * (abs(low.values[name]) + abs(high.values[name]))
            if abs(exact - rough) > AGREEMENT * max(abs(exact), abs(rough)) + floor:
                return False
        return True


@final
class Moments:
    """Moments of one quantity over samples, and their derivatives by a place [d].

    The second is of deviations from the first sample: squares of the values would drown a small variance.

    Args:
        size: d.
    """

    def __init__(self, size: int) -> None:
        self.count, self.first, self.deviation, self.second, self.reduced = 0, 0.0, 0.0, 0.0, False
        self.origin: float | None = None
        self.first_slope, self.second_slope = np.zeros(size), np.zeros(size)

    def add(self, values: Tensor, size: int, place: Tensor | None) -> None:
        """Add a batch's values, [B] or one number, and derive them by `place` where one is given."""
        values = values.double().reshape(-1)
        self.reduced |= len(values) < size
        values = values.expand(size)
        if not size:
            return
        if self.origin is None:
            self.origin = float(values[0].detach())
        moved = values - self.origin
        first, second = values.sum(), moved.square().sum()
        if place is not None:
            self.first_slope += slope(first, place)
            self.second_slope += slope(second, place)
        self.first += float(first.detach())
        self.deviation += float(moved.detach().sum())
        self.second += float(second.detach())
        self.count += size

    @property
    def mean(self) -> float:
        """Over all samples."""
        return self.first / self.count

    @property
    def mean_slope(self) -> np.ndarray:
        """Derivative [d] of the mean."""
        return self.first_slope / self.count

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(max(0.0, self.second - self.deviation**2 / self.count) / self.count / (self.count - 1))

    @property
    def error_slope(self) -> np.ndarray:
        """Derivative [d] of the standard error; zeros where it is 0."""
        if self.error == 0:
            return np.zeros_like(self.first_slope)
        variance_slope = self.second_slope / self.count - 2 * self.deviation / self.count * self.mean_slope
        return variance_slope / (2 * self.error * (self.count - 1))


def slope(value: Tensor, place: Tensor) -> np.ndarray:
    """Derivative [d] of a number by a place [d]; zeros where it does not depend on it."""
    if value.grad_fn is None:
        return np.zeros(len(place))
    found: tuple[Tensor | None, ...] = torch.autograd.grad(value, place, retain_graph=True, allow_unused=True)
    gradient = found[0]
    return gradient.numpy() if gradient is not None else np.zeros(len(place))
