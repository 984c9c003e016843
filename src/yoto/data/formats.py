"""Files by their suffixes: what is taken for a picture, what a model is exported as. Importing it imports nothing."""

from __future__ import annotations

from typing import Literal

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Of training data."""
OTHERS = frozenset({".gif", ".avif", ".jfif", ".jp2", ".jxl", ".heic", ".heif", ".pgm", ".tga"})
"""Further suffixes of pictures that a user may have in a folder; Pillow reads some with a plugin only."""
ExportFormat = Literal["onnx", "pt2", "safetensors"]
EXPORTS: dict[str, ExportFormat] = {".onnx": "onnx", ".pt2": "pt2", ".safetensors": "safetensors"}
"""What a model is exported as, by the suffix of the file."""
