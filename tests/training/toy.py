"""A task small enough that a training run takes a fraction of a second."""

from __future__ import annotations

import torch
from torch import nn

from yoto.data import ArrayData
from yoto.recipe import Training, from_dict


class Net(nn.Module):
    """A noisy autoencoder with every kind of parameter: kernels of both kinds, matrices, norms, biases, buffers."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.GroupNorm(2, 4), nn.ReLU())
        self.code = nn.Linear(16, 6)
        self.back = nn.Linear(6, 16)
        self.up = nn.ConvTranspose2d(4, 1, 2, stride=2)
        self.drop = nn.Dropout(0.1)
        self.noise, self.rate = 1.0, 0.1
        self.register_buffer("mean", torch.zeros(16))

    def forward(self, x):
        features = self.down(x).flatten(1)
        if self.training:
            self.mean.lerp_(features.detach().float().mean(0), self.rate)
        code = self.code(features - self.mean)
        noisy = code + self.noise * torch.randn_like(code)
        return code, self.up(self.drop(self.back(noisy).relu()).view(-1, 4, 2, 2))


class ToyTask:
    """Squared error of reconstruction against the size of the code."""

    def __init__(self, size: int = 48, fault: int | None = None):
        self.size, self.fault, self.calls = size, fault, 0

    def network(self):
        return Net()

    def terms(self, net, batch, at):
        code, x = net(batch)
        self.calls += 1
        error = (x - batch).square().flatten(1).sum(1)
        if self.calls == self.fault:
            error = error * torch.where(torch.arange(len(error)) == 3, torch.nan, 1.0)
        return {"reconstruction": error, "kl": code.square().sum(1)}

    def metrics(self, net, batch, at):
        return {}

    def data(self, split):
        images = torch.rand(self.size, 1, 4, 4, generator=torch.Generator().manual_seed(len(split)))
        return ArrayData(images, augment=lambda x, generator: x + 0.1 * torch.rand(x.shape, generator=generator).to(x))

    def picture(self, net, at, *, seed):
        return None


class Still(ToyTask):
    """Without any noise, so that the division of a batch makes no difference."""

    def network(self):
        net = super().network()
        net.noise = net.rate = net.drop.p = 0.0
        return net

    def data(self, split):
        data = super().data(split)
        data.augment = None
        return data


def settings(**changes):
    """The section `training` of a recipe."""
    return Training(**{"steps": 10, "batch": 12, **changes})


def recipe(**overrides):
    """A recipe for 20 steps; keys of `training` by bare name, others with double underscores for dots."""
    base = from_dict(
        {
            "name": "toy",
            "task": "vae",  # the object given to `train` takes its place
            "space": {"reconstruction": 1.0, "kl": {"distribution": "log-uniform", "low": 0.1, "high": 10.0}},
            "training": {"steps": 20, "batch": 10, "warmup": 4, "checkpoint_every": 7, "log_every": 5},
            "conditioning": {"hidden": [8]},
            "evaluation": {"points": {"kl": [0.1, 1.0, 10.0]}},
        }
    )
    top = type(base).model_fields
    keys = {key: key.replace("__", ".") if "__" in key or key in top else f"training.{key}" for key in overrides}
    return base.replace({keys[key]: value for key, value in overrides.items()})
