"""Random changes to training images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from yoto.errors import YotoError


@dataclass(frozen=True)
class ResizeCropFlip:
    """Enlarges images, cuts a random part of the old size out of each, and mirrors half of them.

    With 40 it is the augmentation of the paper's CIFAR-10 experiments.

    Args:
        resize: The side before the cut, pixels; the images are square and no larger.
    """

    resize: int = 40

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changed images [B, C, H, H] in the range of `images`; `generator` is on the CPU.

        Raises:
            YotoError: If they are not square, or larger than they should be enlarged to.
        """
        if images.ndim != 4 or images.shape[2] != images.shape[3] or images.shape[2] > self.resize:
            raise YotoError(
                f"Images to enlarge to {self.resize} pixels should be [B, C, H, H] and no larger. Found shape "
                f"{tuple(images.shape)}."
            )
        count, _, side, _ = images.shape
        top, left = torch.randint(self.resize - side + 1, (2, count, 1), generator=generator)
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        steps = torch.arange(side)
        rows, columns = top + steps, left + torch.where(mirrored, steps.flip(0), steps)
        large = interpolate(images, size=(self.resize, self.resize), mode="bilinear", align_corners=False)
        device = images.device
        image = torch.arange(count, device=device)[:, None, None]
        cut = large.movedim(1, -1)[image, rows[:, :, None].to(device), columns[:, None, :].to(device)]
        return cut.movedim(-1, 1).contiguous()


@dataclass(frozen=True)
class Flip:
    """Mirrors half of the images left to right."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changed images [B, C, H, W]; `generator` is on the CPU.

        Raises:
            YotoError: If they have another number of dimensions.
        """
        if images.ndim != 4:
            raise YotoError(f"Images to mirror should be [B, C, H, W]. Found shape {tuple(images.shape)}.")
        mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
        return torch.where(mirrored.to(images.device), images.flip(-1), images)
