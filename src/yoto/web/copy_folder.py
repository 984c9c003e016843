"""A folder that takes a copy of the pages, file by file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.space import Fixed
from yoto.support.files import write_atomic

if TYPE_CHECKING:
    from yoto.space import LossSpace


class CopyFolder:
    """A folder that is being filled.

    Attributes:
        names: Paths of its files, relative to it, in the order of writing.
        size: Their bytes in all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.size = 0

    def put(self, name: str, data: bytes | str) -> None:
        """Write a file whole."""
        content = data.encode() if isinstance(data, str) else data
        write_atomic(self.folder / name, content)
        self.names.append(name)
        self.size += len(content)

    def put_json(self, name: str, data: Any) -> None:
        """Write JSON that browsers read: without NaN and infinities."""
        self.put(name, json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def fixed(space: LossSpace) -> Mapping[str, float]:
    """Values of the constant columns of λ."""
    return {name: p.value for name, p in space.parameters.items() if isinstance(p, Fixed)}


def parsed(data: bytes) -> Any:
    """An ONNX model from its bytes."""
    import onnx

    return onnx.load_from_string(data)
