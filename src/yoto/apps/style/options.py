"""What can be chosen about the style task. Importing this module does not import torch."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from yoto.data.formats import SUFFIXES
from yoto.errors import YotoError

Count = Annotated[int, Field(ge=1)]

BANK = (
    "great-wave",
    "starry-night",
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
THUMBNAIL = "thumbnail."
"""Prefix of the thumbnails in a bundle."""
PARAMETERS = ("content", "style", "smoothness", *LAYERS)
"""Loss parameters of every recipe, in this order; "painting" follows where there are several."""
PAINTING = "painting"
BUNDLED = Path(__file__).parents[2] / "assets" / "paintings"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class StyleOptions(BaseModel):
    """Network, features, paintings and photographs of style transfer.

    `paintings` are names of the bank, `styles` a folder of pictures that replaces it. `channels` are widths of the
    network at half the resolution, a quarter and so on, `blocks` residual blocks from a quarter on, `last` the width
    at full resolution. `features` measure content and style; "vgg16" and "vgg19" need `weights`, a file, which also
    stands for the package of "lite0"; "untrained" is for tests. `judge` are features that measure the result too,
    without having trained it ("other": whichever of "squeezenet" and "lite0" does not train). `statistics` of features
    are Gram matrices, or means and deviations. Paintings are shrunk to about `size`² pixels first. `data` is a folder
    of photographs, `crop` the side of the training crops; the features' grid is shifted by less than `jitter` pixels
    in a training step.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    channels: Annotated[list[Count], Field(min_length=2, max_length=4)] = [24, 48, 96]
    blocks: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [1, 4]
    last: Count = 8
    features: Literal["lite0", "squeezenet", "vgg16", "vgg19", "untrained"] = "lite0"
    weights: str | None = None
    judge: Literal["other", "lite0", "squeezenet", "untrained"] | None = "other"
    statistics: Literal["gram", "moments"] = "gram"
    paintings: Annotated[list[str], Field(min_length=1)] = list(BANK)
    styles: str | None = None
    size: Annotated[int, Field(ge=64)] = 320
    data: str | None = None
    crop: Annotated[int, Field(ge=64, multiple_of=16)] = 160
    jitter: Annotated[int, Field(ge=0, le=16)] = 8
    limit: Count | None = None

    @model_validator(mode="after")
    def fits(self) -> StyleOptions:
        if len(self.blocks) != len(self.channels) - 1:
            raise YotoError(
                f"`blocks` should have one number for each of `channels` but the first. Found {self.blocks} and "
                f"{self.channels}."
            )
        if self.judge == self.features != "untrained":
            raise YotoError(f"`judge` should be other features than those that train. Found {self.judge!r} for both.")
        return self

    @property
    def judged_by(self) -> str | None:
        """The judge's name, "other" filled in."""
        if self.judge != "other":
            return self.judge
        return "lite0" if self.features == "squeezenet" else "squeezenet"


def prepare(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe's mapping with the names of its paintings, in the options and as the space's choice.

    Raises:
        YotoError: If the folder of paintings is missing or empty, or the space has other parameters.
    """
    options, space = recipe.get("options") or {}, recipe.get("space")
    if not isinstance(options, dict) or not isinstance(space, dict):
        return recipe  # the schema says what is wrong
    if not isinstance(options.get("styles"), (str, type(None))):
        return recipe
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
    check_ranges(space)
    filled = {name: space[name] for name in PARAMETERS}
    if len(names) > 1:
        filled[PAINTING] = {"distribution": "choice", "options": names}
    return {**recipe, "options": {**options, "paintings": names}, "space": filled}


def check_ranges(space: Mapping[str, Any]) -> None:
    """Refuse parameters that the sliders could not stand for.

    Raises:
        YotoError: If content is not constant, another is not log-uniform, or an offset's range leaves out 1.
    """
    content = space["content"]
    if isinstance(content, Mapping) and content.get("distribution") != "fixed":
        raise YotoError("`space.content` should be a number: the other weights are relative to it. Found a range.")
    for name in PARAMETERS[1:]:
        entry = space[name]
        kind = entry.get("distribution") if isinstance(entry, dict) else "a number"
        if kind != "log-uniform":
            raise YotoError(f"`space.{name}` should be log-uniform, for its slider. Found {kind}.")
        if name in LAYERS and not entry.get("low", 1) <= 1 <= entry.get("high", 1):
            raise YotoError(f"The range of `space.{name}` should include 1, an even weight. Found {entry}.")


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
    """The picture of a painting: in the folder `styles`, in YOTO_DATA/paintings or in the package.

    Raises:
        YotoError: If there is none.
    """
    root = os.environ.get("YOTO_DATA")
    places = [Path(styles)] if styles is not None else []
    places += [Path(root) / "paintings"] if root else []
    for place in (*places, BUNDLED):
        files = place.iterdir() if place.is_dir() else ()
        for file in sorted(files):
            if file.suffix.lower() in SUFFIXES and name_of(file) == name:
                return file
    raise YotoError(
        f"The picture of the painting {name!r} should be in a folder of paintings or in the package. Found none. "
        "Give styles=FOLDER in training, or set YOTO_DATA to a folder with paintings/ in it."
    )
