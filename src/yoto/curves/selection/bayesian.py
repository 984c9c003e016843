"""The search by a Gaussian process, for evaluations that are dear or noisy: optuna's `GPSampler`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from yoto.curves.selection.coordinates import Coordinates
from yoto.curves.selection.evaluations import Evaluations, Exhausted
from yoto.support.extras import needed

if TYPE_CHECKING:
    from yoto.curves.selection.request import Request

TRIALS = 60
"""Evaluations where no limit is given."""


def search(request: Request, coordinates: Coordinates, evaluations: Evaluations, seed: int) -> str | None:
    """Search by expected improvement under constraints; what was measured is in `evaluations`.

    Returns:
        The limit that ended the search, "evaluations" or "seconds", or None.

    Raises:
        YotoError: If optuna is not installed.
    """
    with needed("This method"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    alternatives = coordinates.alternatives

    def objective(trial: Any) -> float:
        x = [trial.suggest_float(f"x{index}", 0.0, 1.0) for index in range(coordinates.size)]
        choice = trial.suggest_categorical("names", list(range(len(alternatives)))) if len(alternatives) > 1 else 0
        (measured,) = evaluations([coordinates.lam(x, alternatives[choice])])
        for bound, excess in zip(request.bounds, request.excesses(measured), strict=True):
            trial.set_constraint(str(bound), excess)
        return request.cost(measured)

    left = evaluations.budget.left
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)
        study = optuna.create_study(sampler=sampler)
        try:
            study.optimize(objective, n_trials=TRIALS if left is None else left)
        except Exhausted as limit:
            return str(limit)
    return None
