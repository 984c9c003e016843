"""Training: the loop, optimisers, schedules, clipping, averaging, checkpoints and logs."""

from __future__ import annotations

from yoto.training.loop import train
from yoto.training.muon import Muon
from yoto.training.run import Result

__all__ = ["Muon", "Result", "train"]
