"""Training by recipes: the loop, averaging, checkpoints and logs."""

from __future__ import annotations

from yoto.training.loop import train
from yoto.training.run import Result

__all__ = ["Result", "train"]
