"""A conditional model against models that are trained for one λ each: under the same recipe, or by polishing.

The public names load on first use: estimating regret needs nothing of what recipes do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.curves.parity import Comparison, Contender, Cost, Spread, Summary
from yoto.support.lazy import lazily

if TYPE_CHECKING:
    from yoto.comparison.estimate import RegretEstimate as RegretEstimate
    from yoto.comparison.estimate import estimate_regret as estimate_regret
    from yoto.comparison.runs import Stopped as Stopped
    from yoto.comparison.study import compare as compare

HOMES = {
    "RegretEstimate": "yoto.comparison.estimate",
    "Stopped": "yoto.comparison.runs",
    "compare": "yoto.comparison.study",
    "estimate_regret": "yoto.comparison.estimate",
}
__all__ = [
    "Comparison",
    "Contender",
    "Cost",
    "RegretEstimate",
    "Spread",
    "Stopped",
    "Summary",
    "compare",
    "estimate_regret",
]
__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
