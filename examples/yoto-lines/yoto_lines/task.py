"""The task: the points of a noisy line to smoother ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from yoto.data import ArrayData, Data
from yoto.task import BaseTask, Split
from yoto_lines.options import Options


class Lines(BaseTask):
    """Terms "fit" (mean squared distance to the noisy line) and "roughness" (mean squared difference of neighbours)."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def network(self) -> nn.Module:
        """A plain network from lines [B, N] to lines [B, N]."""
        n = self.options.points
        return nn.Sequential(nn.Linear(n, 16), nn.ReLU(), nn.Linear(16, n))

    def terms(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        """Both terms [B] of lines [B, N]."""
        y = net(batch)
        return {"fit": (y - batch).square().mean(1), "roughness": y.diff(dim=1).square().mean(1)}

    def data(self, split: Split) -> Data:
        """Rising lines [N] with noise, from a seed of the split's own."""
        start = {"train": 0, "validation": 1, "test": 2}[split]
        noise = torch.randn(64, self.options.points, generator=torch.Generator().manual_seed(start))
        return ArrayData(torch.linspace(-1, 1, self.options.points) + 0.3 * noise)


class PlainLines:
    """The same without `BaseTask`: a class that has the methods is a task, and its options are keyword arguments."""

    def __init__(self, points: int = 8) -> None:
        self.whole = Lines(Options(points=points))

    def network(self) -> nn.Module:
        return self.whole.network()

    def terms(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        return self.whole.terms(net, batch, at)

    def metrics(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        return {}

    def data(self, split: Split) -> Data:
        return self.whole.data(split)

    def picture(self, net: Any, at: Tensor, *, seed: int) -> None:
        return None
