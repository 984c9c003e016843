"""Functions of somebody's own that run layers anew in their backward pass lose λ's gradient: that is said."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from yoto.conditioning import condition, recomputing
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Anew(torch.autograd.Function):
    """Checkpointing as diffusion models have it: with the inputs and parameters that it is given."""

    @staticmethod
    def forward(ctx, body, x, *parameters):
        ctx.body, ctx.given, ctx.parameters = body, x, parameters
        with torch.no_grad():
            return body(x)

    @staticmethod
    def backward(ctx, gradient):
        with torch.enable_grad():
            x = ctx.given.detach().requires_grad_()
            output = ctx.body(x)
        return (None, *torch.autograd.grad(output, (x, *ctx.parameters), gradient, allow_unused=True))


class Net(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.first, self.body, self.way = nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh()), way

    def forward(self, x):
        x = self.first(x)
        if self.way == "function":
            return Anew.apply(self.body, x, *self.body.parameters())
        return checkpoint(self.body, x, use_reentrant=False) if self.way == "checkpoint" else self.body(x)


def test_a_function_that_runs_layers_in_its_backward_pass_is_warned_of_once(monkeypatch):
    monkeypatch.setattr(recomputing, "TOLD", set())
    model, x = condition(Net("function"), SPACE), torch.rand(5, 3)
    loss = model(x, at=SPACE.sample(5)).square().sum()
    with pytest.warns(UserWarning, match=r"'body\.0' runs anew in the backward pass of Anew.*leave out those of λ"):
        loss.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(x, b=1.0).square().sum().backward()


@pytest.mark.parametrize("way", ["checkpoint", "plain"])
@pytest.mark.filterwarnings("error")
def test_nothing_is_said_where_the_gradient_arrives(way, monkeypatch):
    monkeypatch.setattr(recomputing, "TOLD", set())
    model = condition(Net(way), SPACE)
    model(torch.rand(5, 3), at=SPACE.sample(5)).square().sum().backward()
    assert float(model.film.heads.weight.grad[8:].abs().sum()) > 0  # of the body


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_where_no_gradient_is_asked_for(monkeypatch):
    monkeypatch.setattr(recomputing, "TOLD", set())
    with torch.no_grad():
        condition(Net("function"), SPACE)(torch.rand(5, 3), b=1.0)
    frozen = condition(Net("function"), SPACE, exclude=r"body\..*")
    frozen(torch.rand(5, 3), b=1.0).square().sum().backward()
