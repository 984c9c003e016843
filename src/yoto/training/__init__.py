"""Training: by recipes (the loop, averaging, checkpoints and logs), and at one λ alone behind anybody's loop.

The public names load on first use: polishing needs nothing of what recipes do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.support.lazy import lazily

if TYPE_CHECKING:
    from yoto.training.loop import train as train
    from yoto.training.polishing import polish as polish
    from yoto.training.run import Result as Result

HOMES = {"Result": "yoto.training.run", "polish": "yoto.training.polishing", "train": "yoto.training.loop"}
__all__ = ["Result", "polish", "train"]
__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
