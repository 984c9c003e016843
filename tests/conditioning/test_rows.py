"""λ of a sample reaches that sample's rows of the outputs alone, whatever single layers look like."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
X = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


@dataclass
class Record:
    scores: torch.Tensor
    count: int


class Anchored(nn.Module):
    """Compares the batch with three anchors of its own, and insists on three samples: the anchors look like them."""

    def __init__(self, wrap=lambda y: y, layers=3):
        super().__init__()
        self.layers, self.wrap = nn.ModuleList(nn.Linear(6, 6) for _ in range(layers)), wrap
        self.register_buffer("anchors", torch.randn(3, 6))

    def forward(self, x):
        for layer in self.layers[1:]:
            x = layer(x).tanh()
        x = x.view(3, 6)
        z = self.layers[0](torch.cat([x, self.anchors])).tanh()
        return self.wrap(z[:3] @ z[3:].T)


class Single(Anchored):
    """The same in float32 alone."""

    def forward(self, x):
        return super().forward(x.float() @ torch.eye(6))


WRAPS = [lambda y: y, lambda y: {"y": y, "all": y.sum()}, lambda y: (None, [Record(y, 3)])]


@pytest.mark.parametrize("wrap", WRAPS, ids=["tensor", "mapping", "record"])
@pytest.mark.parametrize("network", [Anchored, Single])
def test_a_layer_by_which_lambda_strays_is_left_out(network, wrap):
    with pytest.warns(UserWarning, match=r"'layers.0': λ of one sample would reach the outputs of others"):
        model = condition(network(wrap), SPACE, example=X)
    assert model.conditioned.names == ("layers.1", "layers.2")
    with pytest.raises(YotoError, match=r"'layers.0' cannot be conditioned: λ of one sample"):
        condition(network(wrap), SPACE, example=X, sites=["layers.0"])


@pytest.mark.parametrize("network", [Anchored, Single])
def test_without_an_example_the_first_call_refuses(network):
    model = condition(network(), SPACE)
    with pytest.raises(YotoError, match=r"cannot reach layer 'layers.0': λ of one sample"):
        model(X, at=SPACE.sample(3))
    assert model(X, b=1.0).shape == (3, 3)


class Drawn(nn.Module):
    """Noise and dropout that evaluation leaves on, and a norm over the batch's statistics of training."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)

    def forward(self, x):
        x = nn.functional.dropout(self.norm(self.first(x)), 0.5, True)
        return self.last(x + torch.randn_like(x)), torch.rand(len(x))


class Other(nn.Module):
    """Never the same twice."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        Other.calls += 1
        return self.layer(x) * (1 + Other.calls % 7)


class Compared(nn.Module):
    """Similarities within the batch."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x, y):
        return self.a(x) @ self.b(y).T


class Largest(nn.Module):
    """Divides by the batch's largest entry, which replacing a sample rarely changes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        y = self.layer(x)
        return y / y.detach().abs().max()


class Summed(nn.Module):
    """Outputs without samples, or of whole numbers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        y = self.layer(x)
        return y.mean(), y.argmax(1), y.T @ y


@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (Drawn, (X,)),
        (Other, (X,)),
        (Compared, (X, X + 1)),
        (Largest, (torch.cat([X, 100 * X[:1], X]),)),
        (Summed, (X,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_nothing_is_said_where_nothing_can_be(network, inputs):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*λ of one sample")
        assert len(condition(network(), SPACE, example=inputs).sites) >= 1
        condition(network(), SPACE)(*inputs, at=SPACE.sample(len(inputs[0])))
