"""Optimisation, for the training loop and for loops of one's own: optimisers, clipping, learning rates."""

from __future__ import annotations

from yoto.optim.clipping import Clipper
from yoto.optim.muon import Muon
from yoto.optim.optimisers import Optimiser, optimiser
from yoto.optim.schedules import cosine

__all__ = ["Clipper", "Muon", "Optimiser", "cosine", "optimiser"]
