"""The `.yoto` image file: compress and decompress with one learned codec at any quality.

>>> import numpy as np
>>> from yoto import codec
>>> image = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
>>> data = codec.compress(image, quality=60)
>>> codec.decompress(data).size, codec.inspect(data).level
((96, 64), 153)

The public names load on first use; importing the module imports neither torch nor Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yoto.apps import codec as application
from yoto.support.extras import require

if TYPE_CHECKING:
    from yoto.apps.codec import CodecModel, Encoded, Header, compress, decompress, encode, inspect, load

require("yoto.codec", "PIL", "pydantic", "yaml", extra="codec")
__all__ = ["CodecModel", "Encoded", "Header", "compress", "decompress", "encode", "inspect", "load"]


def __getattr__(name: str) -> Any:
    return getattr(application, name)
