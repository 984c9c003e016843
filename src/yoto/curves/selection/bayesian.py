"""The search by a Gaussian process, for evaluations that are dear or noisy: optuna's `GPSampler`."""

from __future__ import annotations

from collections.abc import Sequence
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

    def constraints(trial: Any) -> Sequence[float]:
        found: Sequence[float] = trial.user_attrs["excesses"]
        return found

    def objective(trial: Any) -> float:
        x = [trial.suggest_float(f"x{index}", 0.0, 1.0) for index in range(coordinates.size)]
        choice = trial.suggest_categorical("names", list(range(len(alternatives)))) if len(alternatives) > 1 else 0
        (measured,) = evaluations([coordinates.lam(x, alternatives[choice])])
        trial.set_user_attr("excesses", list(request.excesses(measured)))
        return request.cost(measured)

    sampler = optuna.samplers.GPSampler(
        seed=seed, constraints_func=constraints if request.bounds else None, deterministic_objective=True
    )
    study = optuna.create_study(sampler=sampler)
    budget = evaluations.budget
    try:
        study.optimize(objective, n_trials=TRIALS if budget.left is None else budget.left)
    except Exhausted as limit:
        return str(limit)
    return None
