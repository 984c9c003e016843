"""Files that are taken for pictures. Importing this module imports nothing."""

from __future__ import annotations

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
