"""From loss terms and λ to the number that is minimised. The public names load on first use: a recipe names a
scalarisation without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from yoto.objective.chebyshev import Chebyshev, SmoothChebyshev
from yoto.objective.cosine import CosinePenalised
from yoto.objective.scalarisation import Scalarisation, WeightedSum

if TYPE_CHECKING:
    from yoto.objective.objective import Objective as Objective
    from yoto.objective.step import LossStep as LossStep

HOMES = {"Objective": "yoto.objective.objective", "LossStep": "yoto.objective.step"}
__all__ = [
    "Chebyshev",
    "CosinePenalised",
    "LossStep",
    "Objective",
    "Scalarisation",
    "SmoothChebyshev",
    "WeightedSum",
]


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
