"""Photographs painted in the manner of a bank of styles, by a network that takes the loss weights as inputs.

>>> import numpy as np
>>> from yoto import stylize
>>> photograph = np.zeros((48, 64, 3), np.uint8)
>>> painter = stylize.load()
>>> painter(photograph, style="great-wave", strength=0.7, layers={"coarse": 2.0}).shape
(48, 64, 3)

The public names load on first use; importing the module imports neither torch nor NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yoto.apps import style as application
from yoto.support.extras import require

if TYPE_CHECKING:
    from yoto.apps.style import Bank, Painter, Style, load, open_bank

require("yoto.stylize", "PIL", "pydantic", "yaml", extra="style")
__all__ = ["Bank", "Painter", "Style", "load", "open_bank"]


def __getattr__(name: str) -> Any:
    return getattr(application, name)
