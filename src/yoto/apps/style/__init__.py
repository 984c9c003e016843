"""Fast style transfer: content against style per group of layers, smoothness and a bank of paintings.

`options` can be imported without torch; `task.StyleTask` is the task itself. `yoto.stylize` is the public face: the
names below, which load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.registry import Application
from yoto.support.lazy import lazily

if TYPE_CHECKING:
    from yoto.apps.style.painting.bank import Bank as Bank
    from yoto.apps.style.painting.bank import Style as Style
    from yoto.apps.style.painting.bank import open_bank as open_bank
    from yoto.apps.style.painting.painter import Painter as Painter
    from yoto.apps.style.painting.painter import load as load

APPLICATION = Application(
    task="yoto.apps.style.task:StyleTask",
    options="yoto.apps.style.options:StyleOptions",
    prepare="yoto.apps.style.options:prepare",
    commands="yoto.apps.style.commands:register",
    page="yoto.apps.style.page:Style",
    routes="yoto.apps.style.routes:add",
    sweep="yoto.apps.style.sweep:sweep",
    exporter="yoto.apps.style.painting.onnx:write_network",
)
HOMES = {
    "Bank": "yoto.apps.style.painting.bank",
    "Painter": "yoto.apps.style.painting.painter",
    "Style": "yoto.apps.style.painting.bank",
    "load": "yoto.apps.style.painting.painter",
    "open_bank": "yoto.apps.style.painting.bank",
}
__all__ = list(HOMES)
__getattr__ = lazily(__name__, HOMES)
