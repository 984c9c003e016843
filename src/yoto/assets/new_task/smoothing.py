"""A task: what yoto trains, measures and compares by a recipe. Noisy curves go in, smoother ones come out."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from yoto.data import ArrayData
from yoto.task import BaseTask, Split

POINTS = 32  # of a curve


class Smoothing(BaseTask):
    """Terms "fit" (distance to the noisy curve) and "roughness", which the recipe's space weighs."""

    better = {"noise": "lower"}

    def __init__(self, width: int = 64) -> None:  # arguments are the recipe's `options`
        self.width = width

    def network(self) -> nn.Module:
        """The plain network, which knows nothing of λ."""
        return nn.Sequential(nn.Linear(POINTS, self.width), nn.ReLU(), nn.Linear(self.width, POINTS))

    def data(self, split: Split) -> ArrayData:
        """Sine waves of random phase [N, POINTS], the clean ones behind the noisy ones."""
        g = torch.Generator().manual_seed(("train", "validation", "test").index(split))
        phase = 6.28 * torch.rand({"train": 4096}.get(split, 512), 1, generator=g)
        clean = torch.sin(torch.linspace(0, 6.28, POINTS) + phase)
        return ArrayData(torch.stack([clean + 0.3 * torch.randn(clean.shape, generator=g), clean], 1))

    def terms(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        """The loss terms, one number per example, [B]; `net` is bound at λ, `at` is λ [B, D]."""
        y = net(batch[:, 0])
        return {"fit": (y - batch[:, 0]).square().mean(1), "roughness": y.diff(dim=1).square().mean(1)}

    def metrics(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        """Further numbers per example, for evaluation alone; may be left out."""
        return {"noise": (net(batch[:, 0]) - batch[:, 1]).square().mean(1)}

    def picture(self, net: Any, at: Tensor, *, seed: int) -> np.ndarray:
        """What the page of `yoto demo` shows, uint8 [H, W, 3]; may be left out."""
        noisy, clean = self.data("test").batch(torch.tensor([seed])).unbind(1)
        rows = (48 - 24 * torch.cat([noisy, net(noisy), clean])).round().long().clamp(0, 95)  # [3, POINTS]
        picture = np.full((96, 8 * POINTS, 3), 255, np.uint8)
        for row, colour in zip(rows, ((190, 190, 190), (20, 90, 200), (230, 120, 0)), strict=True):
            for place, height in enumerate(row.tolist()):
                picture[height : height + 3, 8 * place : 8 * place + 6] = colour
        return picture

    def examples(self, method: str) -> dict[str, Tensor]:
        """Example inputs by name, for `yoto export`; may be left out."""
        return {"input": self.data("test").batch(torch.arange(2))[:, 0]}
