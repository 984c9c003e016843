"""Photographs painted in the manner of a bank of styles, by a network that takes the loss weights as inputs.

>>> from yoto import stylize                                                             # doctest: +SKIP
>>> painter = stylize.load()                                                             # doctest: +SKIP
>>> painter(photograph, style="great-wave", strength=0.7, layers={"coarse": 2.0})        # doctest: +SKIP

The public names load on first use; importing the module imports neither torch nor NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yoto.apps import style as application

if TYPE_CHECKING:
    from yoto.apps.style import Bank, Painter, Style, load, open_bank

__all__ = ["Bank", "Painter", "Style", "load", "open_bank"]


def __getattr__(name: str) -> Any:
    return getattr(application, name)
