"""Learned image compression: distortion against rate, with their ratio as the free loss parameter.

`options` can be imported without torch; `task.CompressionTask` is the task itself. `yoto.codec` is the public face:
the names below, which load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.registry import Application
from yoto.support.lazy import lazily

if TYPE_CHECKING:
    from yoto.apps.codec.api import compress as compress
    from yoto.apps.codec.api import decompress as decompress
    from yoto.apps.codec.api import encode as encode
    from yoto.apps.codec.format.container import Header as Header
    from yoto.apps.codec.format.container import inspect as inspect
    from yoto.apps.codec.model import CodecModel as CodecModel
    from yoto.apps.codec.model import load as load
    from yoto.apps.codec.search import Encoded as Encoded

APPLICATION = Application(
    task="yoto.apps.codec.task:CompressionTask",
    options="yoto.apps.codec.options:CompressionOptions",
    commands="yoto.apps.codec.commands:register",
    page="yoto.apps.codec.page:Compression",
    routes="yoto.apps.codec.routes:add",
    sweep="yoto.apps.codec.sweep:sweep",
)
HOMES = {
    "Encoded": "yoto.apps.codec.search",
    "compress": "yoto.apps.codec.api",
    "decompress": "yoto.apps.codec.api",
    "encode": "yoto.apps.codec.api",
    "Header": "yoto.apps.codec.format.container",
    "inspect": "yoto.apps.codec.format.container",
    "CodecModel": "yoto.apps.codec.model",
    "load": "yoto.apps.codec.model",
}
__all__ = list(HOMES)
__getattr__ = lazily(__name__, HOMES)
