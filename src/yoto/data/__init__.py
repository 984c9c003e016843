"""Data sets as random access to batches, and readers of the standard formats.

The public names load on first use; importing the package, for its readers of pictures, does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.support.lazy import lazily

if TYPE_CHECKING:
    from yoto.data.arrays import ArrayData as ArrayData
    from yoto.data.arrays import Augment as Augment
    from yoto.data.arrays import Data as Data
    from yoto.data.arrays import DatasetData as DatasetData
    from yoto.data.arrays import SubsetData as SubsetData
    from yoto.data.arrays import Transform as Transform
    from yoto.data.pixels import planes as planes
    from yoto.data.pixels import to_unit as to_unit

HOMES = dict.fromkeys(("planes", "to_unit"), "yoto.data.pixels") | dict.fromkeys(
    ("ArrayData", "Augment", "Data", "DatasetData", "SubsetData", "Transform"), "yoto.data.arrays"
)
__all__ = ["ArrayData", "Augment", "Data", "DatasetData", "SubsetData", "Transform", "planes", "to_unit"]
__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
