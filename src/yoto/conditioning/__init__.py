"""Plain network in, conditional network while training, plain network out."""

from __future__ import annotations

from yoto.conditioning.conditional import Conditional, Lambda, bind, condition

__all__ = ["Conditional", "Lambda", "bind", "condition"]
