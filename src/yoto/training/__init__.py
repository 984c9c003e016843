"""Training: the loop, optimisers, schedules, clipping, averaging, checkpoints and logs."""

from __future__ import annotations

from yoto.training.loop import train
from yoto.training.optimisers import Muon
from yoto.training.run import Result, build_model

__all__ = ["Muon", "Result", "build_model", "train"]
