"""Attributes that a network's code sets as it trains go on from call to call, whichever way it is bound."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import Tensor, nn

from yoto import LossStep, Objective
from yoto.conditioning import condition
from yoto.conditioning.stores import sets_attributes
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
pytestmark = pytest.mark.filterwarnings("ignore:condition")


class Normalised(nn.Module):
    """Set by the first batch (activation normalisation of flows), then learned; counts, and keeps a running value."""

    def __init__(self, features):
        super().__init__()
        self.shift, self.calls, self.history = nn.Parameter(torch.zeros(features)), 0, []
        self.begun, self.running = False, torch.zeros(features)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.begin(x)
            self.calls += 1
            self.running = 0.9 * self.running + 0.1 * x.detach().mean(0)
            self.history = [*self.history[-3:], x.shape[0]]
            self.seen = x.dtype, x.device, x.shape[1:]
        return x + self.shift

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        if not self.begun:
            self.shift.copy_(-x.mean(0))
            setattr(self, "begun", True)  # noqa: B010


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 6), Normalised(6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(self.norm(self.first(x)).tanh())


def by_call(model, x, lam):
    return model(x, at=lam)


def by_binding(model, x, lam):
    return model.at(lam)(x)


def by_step(model, x, lam):
    found = []

    def terms(net, batch):
        found.append(net(batch))
        return {"a": found[0].square().mean(1), "b": found[0].abs().mean(1)}

    LossStep(model, terms, Objective(SPACE))(x, lam)
    return found[0]


@pytest.mark.parametrize("way", [by_call, by_binding, by_step])
@pytest.mark.parametrize("shown", [False, True], ids=["unseen", "example"])
def test_flags_counters_and_running_values_go_on_as_in_one_network_that_stays_bound(way, shown):
    torch.manual_seed(0)
    x = [torch.randn(5, 4) + i for i in range(4)]
    model = condition(Flow(), SPACE, multiplier=1.0, example=x[0] if shown else None).train()
    lam = SPACE.sample(5, generator=torch.Generator().manual_seed(0))
    stays = copy.deepcopy(model).at(lam)
    for batch in x:
        torch.testing.assert_close(way(model, batch, lam), stays(batch))
    ours, expected = model.plain.norm, stays.norm
    assert (ours.begun, ours.calls, ours.history) == (expected.begun, expected.calls, expected.history)
    assert (ours.begun, ours.calls, ours.history) == (True, 4, [5, 5, 5, 5])
    torch.testing.assert_close(ours.running, expected.running)
    assert model.bake(b=1.0).norm.calls == 4


def test_two_networks_bound_at_once_do_not_undo_each_other():
    model = condition(Flow(), SPACE).train()
    low, high = model.at(b=0.2), model.at(b=5.0)
    low(torch.rand(5, 4))
    begun = model.plain.norm.shift.detach().clone()
    assert model.plain.norm.begun
    model(torch.rand(7, 4), b=1.0)
    torch.testing.assert_close(model.plain.norm.shift, begun)
    high.norm.calls = high.norm.calls  # not set to another value: what was carried stays
    model.at(b=1.0).last(torch.rand(2, 6))
    assert model.plain.norm.calls == 2


def test_in_evaluation_they_stay_with_the_bound_network():
    class Counts(nn.Linear):
        def forward(self, x):
            self.calls = getattr(self, "calls", 0) + 1
            return super().forward(x)

    model = condition(Counts(3, 3), SPACE).eval()
    bound = model.at(b=1.0)
    bound(torch.rand(2, 3))
    assert bound.calls == 1
    assert not hasattr(model.plain, "calls")
    model.train()(torch.rand(2, 3), b=1.0)
    assert model.plain.calls == 1


def test_activations_with_their_graph_are_let_go():
    class Records(nn.Linear):
        def forward(self, x):
            self.seen = super().forward(x)
            self.both = [self.seen, 1]
            return self.seen

    model = condition(Records(3, 3), SPACE).train()
    bound = model.at(b=1.0)
    bound(torch.rand(2, 3))
    assert bound.seen.requires_grad
    seen = weakref.ref(bound.seen)
    assert not hasattr(model.plain, "seen")
    assert not hasattr(model.plain, "both")
    gc.disable()
    try:
        del bound
        assert seen() is None
    finally:
        gc.enable()


def test_copies_and_pickles_of_a_bound_network_set_nothing_in_the_model():
    model = condition(Flow(), SPACE).train()
    with torch.no_grad():
        bound = model.at(b=1.0)
    for other in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound))):
        other(torch.rand(5, 4))
        assert other.norm.calls == 1
        assert model.plain.norm.calls == 0


def test_networks_that_set_nothing_get_no_hook():
    model = condition(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), SPACE).train()
    model(torch.rand(2, 3, 8, 8), b=1.0)
    assert not any(module._forward_hooks for module in model.at(b=1.0).modules())
    assert sets_attributes(Normalised)
    assert not sets_attributes(Flow)


class Builds(nn.Module):
    """Makes something once, and has a flag that says so."""

    def __init__(self, make):
        super().__init__()
        self.layer, self.ready, self.make = nn.Linear(3, 3), False, make
        self.extra: list[nn.Module] = []
        self.register_module("late", None)

    def forward(self, x):
        if not self.ready:
            self.make(self)
            self.ready = True
        y = self.layer(x)
        for extra in self.extra:
            y = extra(y)
        return y


def add_hook(net):
    net.layer.register_forward_hook(lambda module, inputs, output: 2 * output)


def add_layer(net):
    net.late = nn.Flatten()


def collect(net):
    net.extra = [net.layer]


@pytest.mark.parametrize("make", [add_hook, add_layer, collect])
def test_a_flag_of_what_stays_with_the_bound_network_stays_with_it(make):
    model, x = condition(Builds(make), SPACE, multiplier=1.0).train(), torch.rand(4, 3)
    outputs = [model(x, b=2.0) for _ in range(3)]
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])
    assert not model.plain.ready
