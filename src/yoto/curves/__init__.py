"""Trade-off curves: measuring them, comparing them, drawing them."""

from __future__ import annotations

from yoto.curves.curve import TradeoffCurve
from yoto.curves.indicators import Hypervolume
from yoto.curves.metric import Metric
from yoto.curves.regret import Regret
from yoto.curves.selection.result import SelectedPoint
from yoto.curves.selection.selecting import select
from yoto.curves.steerability import steerability
from yoto.curves.steering import Steerability
from yoto.curves.sweep import sweep  # stands for the module of that name from here on

__all__ = [
    "Hypervolume",
    "Metric",
    "Regret",
    "SelectedPoint",
    "Steerability",
    "TradeoffCurve",
    "select",
    "steerability",
    "sweep",
]
