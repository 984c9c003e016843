"""Plain network in, conditional network while training, plain network out.

`condition` copies an ordinary module and gives chosen layers a scale and shift per channel that depend on the loss
parameters λ. `Conditional.at` binds it at a λ (or one λ per sample), `Conditional.bake` folds one λ into ordinary
parameters of the original class.
"""

from __future__ import annotations

from yoto.conditioning.condition import condition  # stands for the module of that name from here on
from yoto.conditioning.conditional import Conditional, Lambda, bind

__all__ = ["Conditional", "Lambda", "bind", "condition"]
