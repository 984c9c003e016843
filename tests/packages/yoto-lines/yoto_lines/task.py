"""The task: the points of a noisy line to smoother ones."""

from __future__ import annotations

import torch
from torch import nn

from yoto.data import ArrayData
from yoto.task import BaseTask
from yoto_lines.options import Options


class Lines(BaseTask):
    """Fit against roughness."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def network(self) -> nn.Module:
        n = self.options.points
        return nn.Sequential(nn.Linear(n, 16), nn.ReLU(), nn.Linear(16, n))

    def terms(self, net, batch, at):
        y = net(batch)
        return {"fit": (y - batch).square().mean(1), "roughness": y.diff(dim=1).square().mean(1)}

    def data(self, split):
        start = {"train": 0, "validation": 1, "test": 2}[split]
        noise = torch.randn(64, self.options.points, generator=torch.Generator().manual_seed(start))
        return ArrayData(torch.linspace(-1, 1, self.options.points) + 0.3 * noise)


class PlainLines:
    """The five methods alone, as tasks were before `BaseTask`."""

    def __init__(self, points: int = 8) -> None:
        self.whole = Lines(Options(points=points))

    def network(self):
        return self.whole.network()

    def terms(self, net, batch, at):
        return self.whole.terms(net, batch, at)

    def metrics(self, net, batch, at):
        return {}

    def data(self, split):
        return self.whole.data(split)

    def picture(self, net, at, *, seed):
        return None
