"""The space of a loss's parameters: which they are, their ranges, and how λ is drawn. Imports no torch."""

from __future__ import annotations

from yoto.space.choice import Choice
from yoto.space.distribution import Distribution, Value
from yoto.space.interval import Fixed, Interval, LogUniform, Uniform
from yoto.space.sampling import Sampling
from yoto.space.simplex import Simplex
from yoto.space.space import LossSpace

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
