"""Files that are taken for pictures. Importing this module imports nothing."""

from __future__ import annotations

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Of training data."""
OTHERS = frozenset({".gif", ".avif", ".jfif", ".jp2", ".jxl", ".heic", ".heif", ".pgm", ".tga"})
"""Further suffixes of pictures that a user may have in a folder; Pillow reads some with a plugin only."""
