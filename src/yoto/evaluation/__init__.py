"""Trade-off curves: measuring them, comparing them, drawing them."""

from __future__ import annotations

from yoto.evaluation.curve import TradeoffCurve
from yoto.evaluation.indicators import Hypervolume
from yoto.evaluation.regret import Regret
from yoto.evaluation.sweep import sweep  # stands for the module of that name from here on

__all__ = ["Hypervolume", "Regret", "TradeoffCurve", "sweep"]
