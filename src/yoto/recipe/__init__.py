"""Recipes: everything that a training run needs, as one YAML file.

A recipe names no folder; data is found through `YOTO_DATA` or `data=DIR`. Importing this package imports no torch.
"""

from yoto.recipe.reading import Loader, locate, read, shipped
from yoto.recipe.sections import Comparison, Conditioning, Evaluation, Training
from yoto.recipe.whole import Recipe, differences, from_dict, points

__all__ = [
    "Comparison",
    "Conditioning",
    "Evaluation",
    "Loader",
    "Recipe",
    "Training",
    "differences",
    "from_dict",
    "locate",
    "points",
    "read",
    "shipped",
]
