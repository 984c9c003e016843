"""What can be chosen about the style task. Importing this module does not import torch."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from yoto.data.formats import SUFFIXES
from yoto.errors import YotoError

Count = Annotated[int, Field(ge=1)]

BANK = (
    "starry-night",
    "great-wave",
    "wheat-field",
    "bewitched-mill",
    "pink-cloud",
    "two-poplars",
    "political-drama",
    "checkerboard",
)
"""Paintings of the bank where no others are named."""
LAYERS = ("fine", "mid", "coarse", "coarser")
"""Groups of layers by the size of what they see."""
PARAMETERS = ("content", "style", "smoothness", *LAYERS)
"""Loss parameters of every recipe, in this order; "painting" follows where there are several."""
PAINTING = "painting"
BUNDLED = Path(__file__).parents[2] / "assets" / "paintings"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class StyleOptions(BaseModel):
    """Network, features, paintings and photographs of style transfer.

    `paintings` are names of the bank, `styles` a folder of pictures that replaces it. `channels` are widths of the
    network at half the resolution, a quarter and so on, `blocks` residual blocks from a quarter on, `last` the width
    at full resolution. `features` measure content and style; "vgg16" and "vgg19" need `weights`, a file;
    "untrained" is for tests. `judge` are features that measure the result too, without having trained it.
    `statistics` of features are Gram matrices, or means and deviations. Paintings are shrunk to about `size`² pixels
    first. `data` is a folder of photographs, `crop` the side of the training crops, `jitter` by how many pixels at
    most the features' grid is shifted in a training step.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    channels: Annotated[list[Count], Field(min_length=2)] = [24, 48, 96]
    blocks: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [1, 4]
    last: Count = 8
    features: Literal["lite0", "squeezenet", "vgg16", "vgg19", "untrained"] = "lite0"
    weights: str | None = None
    judge: Literal["lite0", "squeezenet", "untrained"] | None = "squeezenet"
    statistics: Literal["gram", "moments"] = "gram"
    paintings: Annotated[list[str], Field(min_length=1)] = list(BANK)
    styles: str | None = None
    size: Annotated[int, Field(ge=64)] = 320
    data: str | None = None
    crop: Annotated[int, Field(ge=64, multiple_of=16)] = 160
    jitter: Annotated[int, Field(ge=0, le=16)] = 8
    limit: Count | None = None


def prepare(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe's mapping with the names of its paintings, in the options and as the space's choice.

    Raises:
        YotoError: If the folder of paintings is missing or empty, or the space has other parameters.
    """
    options, space = recipe.get("options") or {}, recipe.get("space")
    if not isinstance(options, dict) or not isinstance(space, dict):
        return recipe  # the schema says what is wrong
    names = options.get("paintings")
    if names is None:
        names = list(BANK) if options.get("styles") is None else [name_of(path) for path in pictures(options["styles"])]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return recipe
    if len(set(names)) != len(names) or not all(NAME.fullmatch(name) for name in names):
        raise YotoError(f"`paintings` should be different names of letters, digits, '-' and '_'. Found {names}.")
    found = tuple(name for name in space if name != PAINTING)
    if found != PARAMETERS:
        raise YotoError(f"The space of a style recipe should have {', '.join(PARAMETERS)}. Found {', '.join(found)}.")
    filled = {name: space[name] for name in PARAMETERS}
    if len(names) > 1:
        filled[PAINTING] = {"distribution": "choice", "options": names}
    return {**recipe, "options": {**options, "paintings": names}, "space": filled}


def name_of(path: Path) -> str:
    """A painting's name from its file's: letters, digits and dashes."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-")
    return name if NAME.fullmatch(name) else f"style-{name}".rstrip("-")


def pictures(folder: str | Path) -> list[Path]:
    """The pictures in a folder of paintings, by name.

    Raises:
        YotoError: If there is none, or two would have one name.
    """
    root = Path(folder)
    files = [f for f in root.iterdir() if f.is_file() and f.suffix.lower() in SUFFIXES] if root.is_dir() else []
    if not files:
        raise YotoError(f"`styles` should be a folder with pictures of paintings. Found none in {str(folder)!r}.")
    files.sort(key=name_of)
    names = [name_of(file) for file in files]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise YotoError(f"Paintings should have different names. Found two of the name {twice!r} in {str(folder)!r}.")
    return files


def painting_file(name: str, styles: str | None) -> Path:
    """The picture of a painting: in `styles` where given, else in YOTO_DATA/paintings or the package.

    Raises:
        YotoError: If there is none.
    """
    if styles is not None:
        places = [Path(styles)]
    else:
        root = os.environ.get("YOTO_DATA")
        places = [Path(root) / "paintings"] * bool(root) + [BUNDLED] if root else [BUNDLED]
    for place in places:
        for file in pictures(place) if place.is_dir() else []:
            if name_of(file) == name:
                return file
    raise YotoError(
        f"The picture of the painting {name!r} should be in {' or '.join(str(p.name) for p in places)}. Found none. "
        "Give styles=FOLDER, or set YOTO_DATA to a folder with paintings/ in it."
    )
