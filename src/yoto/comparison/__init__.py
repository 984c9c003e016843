"""A conditional model against models that are trained for one λ each, under the same recipe."""

from __future__ import annotations

from yoto.comparison.estimate import RegretEstimate, estimate_regret
from yoto.comparison.runs import Stopped
from yoto.comparison.study import compare
from yoto.curves.parity import Comparison, Contender, Cost, Spread, Summary

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
