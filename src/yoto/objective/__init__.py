"""From loss terms and λ to the number that is minimised. The public names load on first use: a recipe names a
scalarisation without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.objective.chebyshev import Chebyshev, SmoothChebyshev
from yoto.objective.cosine import CosinePenalised
from yoto.objective.scalarisation import Scalarisation, WeightedSum
from yoto.support.lazy import lazily

if TYPE_CHECKING:
    from yoto.objective.groups import group_means as group_means
    from yoto.objective.objective import Objective as Objective
    from yoto.objective.step import LossStep as LossStep

HOMES = {
    "group_means": "yoto.objective.groups",
    "Objective": "yoto.objective.objective",
    "LossStep": "yoto.objective.step",
}
__all__ = [
    "Chebyshev",
    "CosinePenalised",
    "LossStep",
    "Objective",
    "Scalarisation",
    "SmoothChebyshev",
    "WeightedSum",
    "group_means",
]
__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
