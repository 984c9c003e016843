"""Bundles: weights, loss space, task name, recipe and trade-off curve in one `.safetensors` file.

The header is read without torch.
"""

from yoto.bundle.header import EXTRAS, Header, listing, read_header
from yoto.bundle.names import bundled, local, locate
from yoto.bundle.store import Bundle, blob, halve, load, read_state, save, sha256

__all__ = [
    "EXTRAS",
    "Bundle",
    "Header",
    "blob",
    "bundled",
    "halve",
    "listing",
    "load",
    "local",
    "locate",
    "read_header",
    "read_state",
    "save",
    "sha256",
]
