"""Networks that reach layers, or keep activations, by another way than the module tree: copies follow there."""

from __future__ import annotations

import weakref
from collections import deque
from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from yoto.conditioning import condition
from yoto.conditioning.references import recaptured
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.prepare()


class Stores(Net):
    """A hook whose closure holds the network keeps an activation in it."""

    def prepare(self):
        self.kept = {}
        self.first.register_forward_hook(self.keeper())

    def keeper(self):
        def keep(_, inputs, output):
            self.kept["first"] = output

        return keep

    def forward(self, x):
        self.first(x)
        return self.last(self.kept["first"].tanh())


class StoresBeside(Stores):
    """A hook whose closure holds the dictionary, and not the network."""

    def keeper(self):
        kept = self.kept
        return lambda _, inputs, output: kept.update(first=output)


class Lambda(Net):
    def prepare(self):
        self.run = lambda x: self.last(self.first(x).tanh())

    def forward(self, x):
        return self.run(x)


class Default(Net):
    def prepare(self):
        def run(x, first=self.first, *, last=self.last):
            return last(first(x).tanh())

        self.run = run

    def forward(self, x):
        return self.run(x)


class Weakly(Net):
    """A child that knows its parent, and does not hold it."""

    class Part(nn.Module):
        def forward(self, x):
            return self.parent().last(x.tanh())

    def prepare(self):
        self.part = self.Part()
        self.part.parent = weakref.ref(self)

    def forward(self, x):
        return self.part(self.first(x))


@dataclass
class Record:
    layer: nn.Module


class Held(Net):
    def prepare(self):
        self.record = Record(self.first)
        self.space = SimpleNamespace(queue=deque([self.last], maxlen=1))

    def forward(self, x):
        return self.space.queue[0](self.record.layer(x).tanh())


class Keyed(Net):
    """Dictionaries that have layers for keys."""

    def prepare(self):
        self.gains, self.shifts = {self.first: 2.0}, {("shift", self.last): 1.0}

    def forward(self, x):
        x = self.first(x) * self.gains[self.first] / self.gains.get(self.first, 1.0)
        return self.last(x.tanh()) + self.shifts.get(("shift", self.last), 0.0) - 1


def check(model, x):
    lam = SPACE.sample(len(x), torch.Generator().manual_seed(0))
    rows = torch.cat([model.bake(lam[i], probe=x)(x[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(model(x, at=lam), rows)
    by_hand = model.plain.last(model.plain.first(x).tanh())
    assert not torch.allclose(rows, by_hand, atol=1e-3)


@pytest.mark.parametrize("given", [False, True], ids=["without", "example"])
@pytest.mark.parametrize("kind", [Stores, StoresBeside, Lambda, Default, Weakly, Held, Keyed])
def test_copies_follow(kind, given):
    torch.manual_seed(0)
    net, x = kind(), torch.randn(3, 4)
    expected = net(x).detach()
    model = condition(net, SPACE, multiplier=1.0, **({"example": x} if given else {}))
    assert model.conditioned.names == ("first", "last")
    check(model, x)
    for parameter in net.parameters():  # the original plays no part any more
        nn.init.zeros_(parameter)
    check(model, x)
    check(deepcopy(model), x)
    check(AveragedModel(model).module, x)
    model(x, b=1.0).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in net.parameters())
    rest = condition(model.plain, SPACE, start="plain")
    torch.testing.assert_close(rest(x, b=1.0), expected)


def test_a_function_that_captured_nothing_new_is_the_same():
    later, kept = [1], 2

    def inner(x, y=later, *, z=3):
        return (x, y, z, kept, unset)

    assert recaptured(inner, lambda held: held) is inner
    other = recaptured(inner, lambda held: [5] if held is later else held)
    assert (other.__defaults__, other.__kwdefaults__, other.__qualname__) == (([5],), {"z": 3}, inner.__qualname__)
    assert other.__closure__ == inner.__closure__
    if kept == 0:
        unset = 4


def test_compiling_goes_on_beside_hooks_with_closures():
    class Hooked(Net):
        def prepare(self):
            twice = 2.0
            self.act = nn.Tanh()
            self.act.register_forward_hook(lambda _, inputs, output: output * twice)

        def forward(self, x):
            return self.last(self.act(self.first(x)))

    model, x, lam = condition(Hooked(), SPACE), torch.randn(3, 4), SPACE.sample(3)
    expected = model(x, at=lam)
    assert torch.equal(torch.compile(model, backend="eager", fullgraph=True)(x, at=lam), expected)


def test_classes_made_of_a_users_layer_are_not_announced():
    known = []

    class Registered(nn.Linear):
        def __init_subclass__(cls, *, tag, **more):
            super().__init_subclass__(**more)
            known.append(tag)

    class Own(Registered, tag="own"):
        pass

    net, x = nn.Sequential(Own(4, 8), nn.Tanh(), Own(8, 2)), torch.randn(3, 4)
    model = condition(net, SPACE, multiplier=1.0, example=x)
    assert len(model.sites) == 2
    model.bake(b=2.0, probe=x)
    assert isinstance(model.at(b=2.0)[0], Own)
    assert known == ["own"]
