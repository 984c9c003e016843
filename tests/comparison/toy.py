"""A task that trains in milliseconds: how small can a code be made before it costs too much."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from yoto.data import ArrayData
from yoto.recipe import from_dict


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.back = nn.Linear(4, 3), nn.Linear(3, 4)

    def forward(self, x):
        code = self.code(x).tanh()
        return code, self.back(code + 0.1 * torch.randn_like(code))


class Toy:
    """Squared error, never below 0.5 by construction, against the size of the code."""

    def __init__(self):
        self.units = {"fit": "squared units", "size": "squared units", "loss": "squared units"}
        self.symbols = {"size": "β"}
        self.floor_asked = 0

    def network(self):
        return Net()

    def terms(self, net, batch, at):
        code, x = net(batch)
        return {"fit": 0.5 + (x - batch).square().sum(1), "size": code.square().sum(1)}

    def metrics(self, net, batch, at):
        return {}

    def data(self, split):
        return ArrayData(torch.randn(60, 4, generator=torch.Generator().manual_seed(len(split))))

    def picture(self, net, at, *, seed):
        return np.full((8, 16, 3), int(10 * at[1]) % 255, np.uint8)

    def floor(self, split):
        self.floor_asked += 1
        return {"fit": 0.5, "size": 0.0}


def recipe(**changes):
    """A recipe of 12 steps; changes by dotted keys in which dots are double underscores."""
    base = from_dict(
        {
            "name": "toy",
            "task": "vae",  # the task given to `compare` takes its place
            "space": {"fit": 1.0, "size": {"distribution": "log-uniform", "low": 0.1, "high": 10.0}},
            "training": {"steps": 12, "batch": 10, "warmup": 2, "checkpoint_every": 5, "log_every": 5},
            "conditioning": {"hidden": [4]},
            "evaluation": {"grid": 5, "batch": 30},
            "comparison": {"points": {"size": [0.1, 10.0]}, "fixed": {"training.lr": 0.02}},
        }
    )
    return base.replace({key.replace("__", "."): value for key, value in changes.items()})
