"""Photographs of different sizes as one packed array, from which random crops are cut on any device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from yoto.data.arrays import check_indices
from yoto.data.folder import pictures_in, split_of
from yoto.data.images import read_photograph
from yoto.data.pixels import Pixels, to_unit
from yoto.errors import YotoError

BUNDLED = Path(__file__).parents[1] / "assets" / "photos"
"""Twelve photographs that come with the package, for testing."""
SCALES = (0.94, 0.80, 0.68, 0.59, 0.50)
"""Sizes at which training photographs are kept: shrunk, so that no artefact of their own coding is left."""


@final
class PhotographCrops:
    """Square crops at random places, sizes, turns and reflections of packed photographs.

    Every photograph is there in several sizes; a crop comes from photograph and size in proportion to their area.

    Args:
        pixels: uint8 [T], all pictures one after the other, each [3, H, W].
        shapes: [N, 3] int64 on the CPU: start in `pixels`, height, width.
        side: Of the crops, pixels; no picture is smaller.
    """

    def __init__(self, pixels: Tensor, shapes: Tensor, side: int) -> None:
        if not len(shapes) or int(shapes[:, 1:].min()) < side:
            raise YotoError(f"`shapes` should hold at least one picture, none smaller than {side} pixels.")
        self.pixels, self.shapes, self.side = pixels, shapes, side
        area = (shapes[:, 1] * shapes[:, 2]).double()
        self.bounds = (area / area.sum()).cumsum(0)

    def __len__(self) -> int:
        return int((self.shapes[:, 1] * self.shapes[:, 2]).sum()) // self.side**2

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """As many crops as `indices` [B]: float [B, 3, side, side] in [0, 1].

        Without a generator, or with one, the place is random: the indices only seed it in the former case.
        """
        count = len(indices)
        if generator is None:
            generator = torch.Generator().manual_seed(int(indices.sum()) if count else 0)
        draws = torch.rand(4, count, generator=generator, dtype=torch.float64)
        which = torch.searchsorted(self.bounds, draws[0]).clamp_max(len(self.shapes) - 1)
        start, height, width = self.shapes[which].unbind(1)
        top = (draws[1] * (height - self.side + 1)).long()
        left = (draws[2] * (width - self.side + 1)).long()
        turn = (draws[3] * 8).long()
        if self.pixels.device.type == "cpu":
            rows = zip(
                start.tolist(), height.tolist(), width.tolist(), top.tolist(), left.tolist(), turn.tolist(), strict=True
            )
            return to_unit(torch.stack([self.cut(*row) for row in rows]))
        return to_unit(self.gather(start, height, width, top, left, turn))

    def cut(self, start: int, height: int, width: int, top: int, left: int, turn: int) -> Tensor:
        """One crop, uint8 [3, side, side], as views of the packed array: the fast way on a CPU."""
        side = self.side
        image = self.pixels[start : start + 3 * height * width].view(3, height, width)
        crop = image[:, top : top + side, left : left + side]
        flipped = [axis for axis, bit in ((1, 1), (2, 2)) if turn & bit]
        crop = crop.flip(flipped) if flipped else crop
        return crop.mT if turn & 4 else crop

    def gather(self, start: Tensor, height: Tensor, width: Tensor, top: Tensor, left: Tensor, turn: Tensor) -> Tensor:
        """The same crops, uint8 [B, 3, side, side], in few operations where the pixels are: the fast way on a GPU."""
        device = self.pixels.device
        numbers = torch.stack([start, height, width, top, left, turn]).to(device)
        start, height, width, top, left, turn = numbers.unbind(0)
        steps = torch.arange(self.side, device=device)
        # Rows and columns run backwards, or are exchanged, for the eight turns and reflections.
        rows = torch.where((turn & 1 > 0)[:, None], steps.flip(0), steps) + top[:, None]
        columns = torch.where((turn & 2 > 0)[:, None], steps.flip(0), steps) + left[:, None]
        flat = start[:, None, None] + rows[:, :, None] * width[:, None, None] + columns[:, None, :]
        flat = torch.where((turn & 4 > 0)[:, None, None], flat.mT, flat)
        planes = flat[:, None] + (height * width)[:, None, None, None] * steps[:3, None, None]
        return self.pixels[planes]

    def to(self, device: torch.device | str) -> PhotographCrops:
        """The same photographs on `device`."""
        return PhotographCrops(self.pixels.to(device), self.shapes, self.side)


@final
class WholePhotographs:
    """Photographs of one size or of that size turned by 90 degrees, as they are, for evaluation.

    Args:
        images: uint8 [N, 3, H, W].
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Photographs `indices` [B] as float [B, 3, H, W] in [0, 1]."""
        check_indices(indices, len(self))
        return to_unit(self.images[indices.to(self.images.device)])

    def to(self, device: torch.device | str) -> WholePhotographs:
        """The same photographs on `device`."""
        return WholePhotographs(self.images.to(device))


def files_of(folder: str | os.PathLike[str], split: str) -> list[Path]:
    """The photographs of one split: those in the sub-folder of its name, else those that fall to it by their name.

    Raises:
        YotoError: If there is none.
    """
    root = Path(folder)
    if not root.is_dir():
        raise YotoError(f"{str(root)!r} should be a folder of photographs. Found: no such folder.")
    if any((root / name).is_dir() for name in ("train", "validation", "test")):
        files = pictures_in(root / split) if (root / split).is_dir() else []
    else:
        files = [file for file in pictures_in(root) if split_of(file.name) == split]
    if not files:
        raise YotoError(
            f"{str(root)!r} should have photographs for the {split} split. Found: none. Usually: a sub-folder {split} "
            "is missing; without sub-folders some 30 photographs are needed to make every split likely."
        )
    return files


def folder_of(data: str | None) -> Path:
    """The folder of photographs: `data`, else `photos` or `photographs` in YOTO_DATA, or YOTO_DATA itself.

    Raises:
        YotoError: If there is none; it says how to give one.
    """
    if data is not None:
        return Path(data)
    root = os.environ.get("YOTO_DATA")
    if root:
        for place in (Path(root) / "photos", Path(root) / "photographs", Path(root)):
            if (place / "train").is_dir():
                return place
    raise YotoError(
        "Photographs should be given as a folder. Found none. Give data=FOLDER, or set YOTO_DATA to a folder with "
        "photos/train and photos/validation in it."
    )


def photographs_of(data: str | None, split: str, *, any_folder: bool = False) -> list[Path]:
    """The photographs of a split; those for testing come with the package unless a folder is given.

    Args:
        any_folder: Whether all pictures of a folder without sub-folders `train` and so on belong to the split.
    """
    if split == "test" and data is None:
        return pictures_in(BUNDLED)
    folder = folder_of(data)
    if any_folder and folder.is_dir() and not (folder / "train").is_dir() and (found := pictures_in(folder)):
        return found
    return files_of(folder, split)


@lru_cache(maxsize=2)
def packed(files: tuple[Path, ...], side: int, scales: tuple[float, ...] = SCALES) -> tuple[Tensor, Tensor]:
    """`pixels` and `shapes` of `PhotographCrops`: every photograph in every size that is not smaller than a crop."""
    from PIL import Image

    parts: list[Pixels] = []
    shapes: list[tuple[int, int, int]] = []
    start = 0
    for file in files:
        image = Image.fromarray(read_photograph(file))
        for scale in scales:
            width, height = (max(1, round(length * scale)) for length in image.size)
            if min(width, height) >= side:
                small = image.resize((width, height), Image.Resampling.LANCZOS)
                parts.append(np.asarray(small).transpose(2, 0, 1).reshape(-1))
                shapes.append((start, height, width))
                start += parts[-1].size
    if not shapes:
        raise YotoError(f"Photographs should be at least {side / max(scales):.0f} pixels wide and high. Found none.")
    return torch.from_numpy(np.concatenate(parts)), torch.tensor(shapes)


def read_crops_of(files: Sequence[Path], side: int) -> PhotographCrops:
    """Training crops of photographs."""
    return PhotographCrops(*packed(tuple(files), side), side)


def read_whole(files: Sequence[Path], multiple: int = 64) -> WholePhotographs:
    """Photographs cut to one size, the largest multiple of `multiple` that all of them have; upright ones are turned.

    Raises:
        YotoError: If one is smaller than `multiple`.
    """
    arrays = [read_photograph(file) for file in files]
    arrays = [np.rot90(array) if array.shape[0] > array.shape[1] else array for array in arrays]
    height, width = (min(array.shape[axis] for array in arrays) // multiple * multiple for axis in (0, 1))
    if not height or not width:
        raise YotoError(f"Photographs should be at least {multiple} pixels wide and high. Found a smaller one.")
    cut = [
        array[(array.shape[0] - height) // 2 :, (array.shape[1] - width) // 2 :][:height, :width] for array in arrays
    ]
    return WholePhotographs(torch.from_numpy(np.stack(cut).transpose(0, 3, 1, 2).copy()))
