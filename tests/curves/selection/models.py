"""Small conditional models whose losses follow λ, trained in under a second or not at all."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from yoto import LogUniform, LossSpace, Objective, Simplex, condition

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))
THREE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0), bend=LogUniform(0.1, 10.0), tilt=LogUniform(0.1, 10.0))
MIX = LossSpace(mix=Simplex("fit", "size", "tilt"))


def terms(net, batch):
    """Four wishes for the output: the input, zero, equal neighbours, and ones."""
    y = net(batch)
    return {
        "fit": (y - batch).square().sum(1),
        "size": y.square().sum(1),
        "bend": y.diff(dim=1).square().sum(1),
        "tilt": (y - 1).square().sum(1),
    }


def only(*names):
    """The terms of these names alone."""
    return lambda net, batch: {name: term for name, term in terms(net, batch).items() if name in names}


@cache
def trained(space):
    """A linear network that was trained for the space's terms."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = condition(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4)), space, multiplier=1.0)
        objective = Objective(space)
        optimiser = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(250):
            x, lam = torch.randn(64, 4), space.sample(64)
            objective(only(*space.weights)(model.at(lam), x), lam).backward()
            optimiser.step()
            optimiser.zero_grad()
    return model


def data(n=256):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1))
