"""The `.yoto` image file: compress and decompress with one learned codec at any quality.

    >>> from yoto import codec
    >>> data = codec.compress(image, quality=50)        # doctest: +SKIP
    >>> image = codec.decompress(data)                  # doctest: +SKIP

The public names load on first use; importing the package imports neither torch nor Pillow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yoto.codec.api import Encoded as Encoded
    from yoto.codec.api import compress as compress
    from yoto.codec.api import decompress as decompress
    from yoto.codec.api import encode as encode
    from yoto.codec.container import Header as Header
    from yoto.codec.container import inspect as inspect
    from yoto.codec.model import CodecModel as CodecModel
    from yoto.codec.model import load as load

HOMES = {
    "Encoded": "yoto.codec.api",
    "compress": "yoto.codec.api",
    "decompress": "yoto.codec.api",
    "encode": "yoto.codec.api",
    "Header": "yoto.codec.container",
    "inspect": "yoto.codec.container",
    "CodecModel": "yoto.codec.model",
    "load": "yoto.codec.model",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
