"""From loss terms and λ to the number that is minimised."""

from __future__ import annotations

from yoto.objective.objective import Objective

__all__ = ["Objective"]
