"""The formats that models are exported to, known without torch."""

from __future__ import annotations

from typing import Literal

Format = Literal["onnx", "pt2", "safetensors"]
FORMATS: dict[str, Format] = {".onnx": "onnx", ".pt2": "pt2", ".safetensors": "safetensors"}
"""By the suffix of the file."""
