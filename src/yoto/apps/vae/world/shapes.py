"""A world of coloured shapes in a room: six independent factors, 480,000 images, drawn on the fly.

It has the factors, their order and the looks of 3D Shapes (Burgess & Kim, 2018): camera, room, sizes and light
are fitted to the pictures that its authors publish, to about half a pixel. It is not that data set, and numbers
measured on one do not carry over to the other. Colour enters an image linearly and only three factors
change the geometry, so its 480 views are traced once, as maps of how much of each surface's colour a pixel
takes; an image is then a product of a 3x5 and a 5x4096 matrix.
"""

from __future__ import annotations

import math
from functools import cache
from typing import final

import torch
from torch import Tensor

from yoto.apps.vae.world.raycast import trace
from yoto.data.arrays import check_indices
from yoto.errors import YotoError

FACTORS = {"floor hue": 10, "wall hue": 10, "object hue": 10, "scale": 8, "shape": 4, "orientation": 15}
"""Factor name → number of values; the last factor changes fastest from one index to the next."""

SIZES = tuple(FACTORS.values())
SHAPES = ("cube", "cylinder", "sphere", "capsule")
TOTAL = math.prod(SIZES)
VIEWS = math.prod(SIZES[3:])
TRAIN, VALIDATION = 380_000, 4_000
"""Images to train on and to validate with: together the 80 % that are not for testing."""

SKY = (0.60, 0.885, 0.98)


def factors(indices: Tensor) -> Tensor:
    """The factor values [B, 6] int64 of the images `indices` [B]."""
    check_indices(indices, TOTAL)
    columns, rest = [], indices
    for size in reversed(SIZES):
        columns.append(rest % size)
        rest = rest // size
    return torch.stack(columns[::-1], dim=-1)


def indices(factors: Tensor) -> Tensor:
    """The image indices [B] int64 of factor values [B, 6].

    Raises:
        YotoError: If a value is outside its factor's range.
    """
    if factors.shape[-1:] != (len(SIZES),):
        raise YotoError(f"`factors` should have shape [B, 6]. Found: {tuple(factors.shape)}.")
    low, high = factors.amin(0), factors.amax(0) - torch.tensor(SIZES, device=factors.device)
    for name, size, below, above in zip(FACTORS, SIZES, low.tolist(), high.tolist(), strict=True):
        if below < 0 or above >= 0:
            found = below if below < 0 else above + size
            raise YotoError(f"`factors` should have {name} in 0..{size - 1}. Found: {found}.")
    index = torch.zeros_like(factors[..., 0])
    for column, size in enumerate(SIZES):
        index = index * size + factors[..., column]
    return index


@final
class ShapesWorld:
    """Renders images of the world.

    Args:
        coefficients: [480, 5, S²], the share of floor, wall, object, white highlight and sky in each pixel,
            from `trace`; by scale, shape and orientation, the last fastest.
    """

    def __init__(self, coefficients: Tensor) -> None:
        self.coefficients = coefficients
        self.side = math.isqrt(coefficients.shape[-1])
        self.hues = rainbow(SIZES[0]).to(coefficients.device)

    @classmethod
    def traced(cls, side: int = 64, samples: int = 3) -> ShapesWorld:
        """The world in images of `side`² pixels with `samples`² rays each; traced once per process."""
        return cls(views(side, samples))

    def render(self, factors: Tensor) -> Tensor:
        """Images [B, 3, S, S] float32 in [0, 1] of factor values [B, 6] int64."""
        return self.images(indices(factors))

    def images(self, index: Tensor) -> Tensor:
        """Images [B, 3, S, S] of image indices [B]."""
        device = self.coefficients.device
        floor, wall, thing = factors(index)[:, :3].to(device).unbind(1)
        maps = self.coefficients[index.to(device) % VIEWS]
        colours = torch.stack(
            [
                self.hues[floor],
                self.hues[wall],
                self.hues[thing],
                torch.ones(len(index), 3, device=device),
                torch.tensor(SKY, device=device).expand(len(index), 3),
            ],
            dim=2,
        )
        return torch.bmm(colours, maps).clamp_(0, 1).reshape(-1, 3, self.side, self.side)

    def to(self, device: torch.device | str) -> ShapesWorld:
        """The same world with its maps on `device`."""
        return ShapesWorld(self.coefficients.to(device))


@final
class ShapesData:
    """A set of the world's images as `Data`, each drawn when it is asked for.

    Args:
        world: Draws the images, on its own device.
        members: [N] int64 on the CPU, the indices of the images that belong to the set.
    """

    def __init__(self, world: ShapesWorld, members: Tensor) -> None:
        self.world = world
        self.members = members

    @classmethod
    def split(cls, name: str, limit: int | None = None) -> ShapesData:
        """The split "train" (380,000 images, or its first `limit`), "validation" (4,000) or "test" (96,000)."""
        return cls(ShapesWorld.traced(), members(name)[: limit if name == "train" else None])

    def __len__(self) -> int:
        return len(self.members)

    def factors(self, index: Tensor) -> Tensor:
        """The factor values [B, 6] of the set's images `index` [B]."""
        check_indices(index, len(self))
        return factors(self.members[index])

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images `indices` [B] of the set as float [B, 3, 64, 64] in [0, 1]; there is no augmentation."""
        check_indices(indices, len(self))
        return self.world.images(self.members[indices])

    def to(self, device: torch.device | str) -> ShapesData:
        """The same set, drawn on `device`."""
        return ShapesData(self.world.to(device), self.members)


def members(split: str) -> Tensor:
    """The image indices of a split, from one fixed permutation: the same for the world and for 3D Shapes."""
    order = torch.randperm(TOTAL, generator=torch.Generator().manual_seed(0))
    held_out = TRAIN + VALIDATION
    return {"train": order[:TRAIN], "validation": order[TRAIN:held_out], "test": order[held_out:]}[split]


def rainbow(n: int) -> Tensor:
    """`n` fully saturated colours [n, 3] at equal steps of hue, from red."""
    hue = torch.arange(n).unsqueeze(1) / n * 6
    offsets = torch.tensor([[0.0, 4.0, 2.0]])
    return (((hue + offsets) % 6 - 3).abs() - 1).clamp(0, 1)


@cache
def views(side: int, samples: int) -> Tensor:
    """The maps [480, 5, side²] of every view."""
    scales = [0.75 + 0.5 * step / (SIZES[3] - 1) for step in range(SIZES[3])]
    angles = [math.radians(-30 + 60 * step / (SIZES[5] - 1)) for step in range(SIZES[5])]
    return trace(scales, SHAPES, angles, side, samples).flatten(0, 2)
