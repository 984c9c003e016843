"""A local search over several parameters from a start, with exact derivatives or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from yoto.curves.selection.coordinates import Coordinates, Names
from yoto.curves.selection.evaluations import Evaluations
from yoto.support.extras import needed

if TYPE_CHECKING:
    from yoto.curves.selection.gradients import Gradients
    from yoto.curves.selection.request import Measured, Request

INSET = 1e-4
"""How far inside its bounds a local search aims, as a share of the quantity's span."""


class Enough(Exception):  # noqa: N818 - a search's share
    """A local search has had its share of evaluations."""


@final
@dataclass(kw_only=True)
class Local:
    """The problem of one local search, made dimensionless.

    Attributes:
        request: What is wanted.
        coordinates: Where it is searched.
        names: Options, the same throughout.
        evaluations: Measures λ.
        gradients: Exact derivatives, where there are any.
        cost_scale: Size of the objective.
        scales: Size of each bound's excess.
        shifts: Added to the excesses: what separates all data from the part that is searched on.
        most: Evaluations that it may use.
        nearest: Whether to look for the point nearest to the bounds and let the objective be: x has a further, last
            number then, the largest miss, which is minimised.
    """

    request: Request
    coordinates: Coordinates
    names: Names
    evaluations: Evaluations
    gradients: Gradients | None
    cost_scale: float
    scales: Sequence[float]
    shifts: Sequence[float]
    most: int = 30
    nearest: bool = False

    def place(self, x: np.ndarray) -> list[float]:
        """Coordinates inside the box, as long as there are evaluations left."""
        inside: list[float] = np.clip(x[: self.coordinates.size], 0, 1).tolist()
        known = self.evaluations.known if self.gradients is None else self.gradients.known
        if self.coordinates.lam(inside, self.names) not in known:
            if self.most < 1:
                raise Enough
            self.most -= 1
        return inside

    def measure(self, x: np.ndarray) -> Measured:
        """What is found at x."""
        place = self.place(x)
        if self.gradients is not None:
            return self.gradients(place, self.names)[0]
        return self.evaluations([self.coordinates.lam(place, self.names)])[0]

    def cost(self, x: np.ndarray) -> float:
        """The objective, to be minimised."""
        return float(x[-1]) if self.nearest else self.request.cost(self.measure(x)) / self.cost_scale

    def room(self, x: np.ndarray) -> np.ndarray:
        """How far inside each bound x lies, at least 0 where it may."""
        misses = np.add(self.request.excesses(self.measure(x)), self.shifts) / np.array(self.scales)
        limit: float = x[-1] if self.nearest else -INSET
        return np.asarray(limit - misses)

    def cost_slope(self, x: np.ndarray) -> np.ndarray:
        """Gradient [d] of the cost."""
        if self.nearest:
            last: np.ndarray = np.eye(len(x))[-1]
            return last
        assert self.gradients is not None
        values = self.gradients(self.place(x), self.names)[1]
        slope = np.asarray(values[self.request.objective])
        result: np.ndarray = slope / (-self.cost_scale if self.request.maximise else self.cost_scale)
        return result

    def room_slope(self, x: np.ndarray) -> np.ndarray:
        """Jacobian [bounds, d] of the room."""
        assert self.gradients is not None
        found, values, errors = self.gradients(self.place(x), self.names)
        quantile = self.request.quantile(found.samples)
        rows = []
        for bound, scale in zip(self.request.bounds, self.scales, strict=True):
            slope = bound.sign * values[bound.name]
            rows.append(-(slope + quantile * errors[bound.name] if quantile else slope) / scale)
        return np.array([[*row, 1.0] for row in rows] if self.nearest else rows)

    def run(self, start: Sequence[float], radius: float = 0.15) -> None:
        """Search from a start; what is found is among the evaluations.

        Args:
            start: Coordinates.
            radius: Of the first steps without derivatives.

        Raises:
            Exhausted: If a limit is reached.
        """
        x = np.array(start)
        try:
            first = self.measure(x)
            if self.nearest:
                x = np.array([*start, self.request.miss(first, self.scales)])
            if not start:
                return
            if self.gradients is not None:
                self.sequential(x)
            else:
                self.derivative_free(x, radius)
        except Enough:
            pass

    def box(self) -> list[tuple[float, float]]:
        """Limits of x."""
        return [(0.0, 1.0)] * self.coordinates.size + [(-0.01, 1e3)] * self.nearest

    def sequential(self, x: np.ndarray) -> None:
        """Sequential quadratic programming with exact derivatives (Kraft, 1988)."""
        with needed("Selection"):
            from scipy.optimize import minimize
        sides: list[Any] = [{"type": "ineq", "fun": self.room, "jac": self.room_slope}]
        minimize(
            self.cost,
            x,
            jac=self.cost_slope,
            method="SLSQP",
            bounds=self.box(),
            constraints=sides if self.request.bounds else [],
            options={"maxiter": self.most, "ftol": 1e-5},
        )

    def derivative_free(self, x: np.ndarray, radius: float) -> None:
        """Quadratic models in a trust region, without derivatives (COBYQA: Ragonneau, 2022)."""
        with needed("Selection"):
            from scipy.optimize import NonlinearConstraint, minimize
        minimize(
            self.cost,
            x,
            method="COBYQA",
            bounds=self.box(),
            constraints=[NonlinearConstraint(self.room, 0.0, np.inf)] if self.request.bounds else [],
            options={"maxfev": self.most, "initial_tr_radius": radius, "final_tr_radius": 1e-3},
        )
