"""Layers whose `forward` somebody calls, past all hooks, and layers that run while something is differentiated."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.conditioning.taps import remove_all, tap
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Direct(nn.Module):
    """Calls `forward` of its layers, of one on frames."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        frames = self.first.forward(x.reshape(-1, 3)).tanh()
        return self.last.forward(frames.reshape(*x.shape[:2], 4).mean(1))


class Tangent(Direct):
    """The output and its derivative along a direction, in the graph of `torch.func`."""

    def forward(self, x):
        outputs, along = torch.func.jvp(super().forward, (x,), (torch.ones_like(x),))
        return outputs + along


class Slope(Direct):
    def forward(self, x):
        return torch.func.grad(lambda given: super(Slope, self).forward(given).square().sum())(x)


class Jacobian(Direct):
    def forward(self, x):
        return torch.func.jacrev(lambda given: super(Jacobian, self).forward(given).sum(0))(x).sum(0)


def rows(model, x, lam):
    together = model(x, at=lam)
    for sample, each in enumerate(lam):
        torch.testing.assert_close(together[sample], model(x, at=each)[sample])


@pytest.mark.parametrize("kind", [Direct, Tangent, Slope, Jacobian])
@pytest.mark.parametrize("shown", [False, True], ids=["unseen", "example"])
def test_such_layers_are_conditioned_in_the_order_of_their_samples(kind, shown):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", ".*torch.jit")
        model = condition(kind().double(), SPACE, multiplier=1.0, example=x if shown else None)
        rows(model, x, SPACE.sample(3, torch.Generator().manual_seed(0)))
        rows(model, x[:2].repeat(2, 1, 1), SPACE.sample(4, torch.Generator().manual_seed(0)))
        model.bake(b=0.3, probe=x)
    assert model.conditioned.names == ("first", "last")


def test_under_vmap_the_samples_are_hidden_still():
    class Each(Direct):
        def forward(self, x):
            return torch.vmap(torch.func.grad(lambda row: super(Each, self).forward(row[None]).sum()))(x)

    with pytest.raises(Exception, match=r"torch\.func, which hides the samples"):
        condition(Each(), SPACE, example=torch.rand(3, 5, 3))


def test_taps_leave_the_module_as_it_was_and_copies_listen_to_themselves():
    layer, seen = nn.Linear(3, 3), []
    taps = [tap(layer, begin=lambda number=number: seen.append(number)) for number in range(2)]
    other = copy.deepcopy(layer)
    with torch.no_grad():
        other.weight.zero_()
        other.bias.fill_(2.0)
    assert torch.equal(other(torch.rand(1, 3)), torch.full((1, 3), 2.0))
    assert seen == [1, 0]
    remove_all(taps)
    assert "forward" not in vars(layer)
    layer.forward = layer.forward
    own = vars(layer)["forward"]
    remove_all([tap(layer)])
    assert vars(layer)["forward"] is own
