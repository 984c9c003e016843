"""Photographs painted in the manner of a bank of styles, by a network that takes the loss weights as inputs.

>>> from yoto import stylize                                                             # doctest: +SKIP
>>> painter = stylize.load()                                                             # doctest: +SKIP
>>> painter(photograph, style="great-wave", strength=0.7, layers={"coarse": 2.0})        # doctest: +SKIP

Loaded on first use; importing the package imports neither torch nor NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yoto.stylize.bank import Bank, Style, open_bank
    from yoto.stylize.painter import Painter, load

__all__ = ["Bank", "Painter", "Style", "load", "open_bank"]
_HOMES = {"Bank": "bank", "Style": "bank", "open_bank": "bank", "Painter": "painter", "load": "painter"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
