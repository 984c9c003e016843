"""The space of a loss's parameters: which they are, their ranges, and how λ is drawn. Imports no torch."""

from __future__ import annotations

from yoto.space.distribution import Choice, Distribution, Fixed, Interval, LogUniform, Uniform, Value
from yoto.space.simplex import Simplex
from yoto.space.space import LossSpace, Sampling

__all__ = [
    "Choice",
    "Distribution",
    "Fixed",
    "Interval",
    "LogUniform",
    "LossSpace",
    "Sampling",
    "Simplex",
    "Uniform",
    "Value",
]
