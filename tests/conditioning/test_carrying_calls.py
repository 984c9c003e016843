"""Whatever sets an attribute in training, and wherever it is set: networks go on as they would without λ."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.conditioning.stores import Sets, methods_that_set, sets, sets_attributes
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
pytestmark = pytest.mark.filterwarnings("ignore:condition")


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)


class Truncated(Base):
    """Takes its hidden state out of the graph where it goes on, a call later (back-propagation through time)."""

    state = None

    def forward(self, x):
        before = 0.0 if self.state is None else self.state[0].detach()
        self.state = (torch.tanh(self.first(x) + before), 1)
        return self.last(self.state[0])


class Scheduled(Base):
    """Sets the rate of a child; another one counts when a method of it is called."""

    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0.0

        def step(self, x):
            self.calls += 1
            return x + self.calls

    def __init__(self):
        super().__init__()
        self.drop, self.counter = nn.Dropout(0.8), self.Counter()

    def forward(self, x):
        self.drop.p *= 0.5
        return self.last(self.counter.step(self.drop(self.first(x))))


def count(module, inputs, output):
    module.calls += 1.0
    return output + module.calls


class Hooked(Base):
    """A hook counts calls of a layer, another one sets an attribute of a layer beside it."""

    def __init__(self):
        super().__init__()
        self.first.calls, last = 0.0, self.last
        last.added = 0.0
        self.first.register_forward_hook(count)
        self.first.register_forward_hook(lambda module, inputs, output: setattr(last, "added", last.added + 1))

    def forward(self, x):
        return self.last(self.first(x)) + self.last.added


@pytest.mark.parametrize("kind", [Truncated, Scheduled, Hooked])
def test_training_goes_on_as_without_lambda(kind):
    torch.manual_seed(0)
    net = kind().train()
    model = condition(net, SPACE, start="plain")
    for step in range(4):
        x = torch.randn(5, 3)
        torch.manual_seed(step)
        expected = net(x)
        torch.manual_seed(step)
        found = model(x, b=0.3)
        torch.testing.assert_close(found, expected)
        found.sum().backward()


def test_a_gradient_through_several_calls_arrives_as_without_lambda():
    class Kept(Truncated):
        def forward(self, x):
            self.state = torch.tanh(self.first(x) + (0.0 if self.state is None else self.state))
            return self.last(self.state)

    torch.manual_seed(0)
    net, x = Kept().train(), torch.randn(3, 5, 3)
    model = condition(net, SPACE, start="plain")
    sum(net(step) for step in x).sum().backward()
    sum(model(step, b=0.3) for step in x).sum().backward()
    torch.testing.assert_close(model.plain.first.weight.grad, net.first.weight.grad)
    copy.deepcopy(model)
    pickle.loads(pickle.dumps(model.bake(b=0.3).state_dict()))


def test_bound_networks_that_train_are_of_their_own_classes():
    """Networks look at these: transformers' collect attentions by them."""
    model = condition(Scheduled(), SPACE).train()
    bound = model.at(b=0.3)
    assert (type(bound), type(bound.counter)) == (Scheduled, Scheduled.Counter)


def test_a_flag_that_a_method_sets_before_it_makes_something_is_not_carried():
    class Prepared(Base):
        ready = False

        def prepare(self):
            self.ready = True

        def forward(self, x):
            if not self.ready:
                self.prepare()
                self.first.register_forward_hook(lambda module, inputs, output: 2 * output)
            return self.last(self.first(x))

    model, x = condition(Prepared(), SPACE).train(), torch.rand(2, 3)
    first = model(x, b=0.3)
    torch.testing.assert_close(model(x, b=0.3), first)
    assert not model.plain.ready


def test_whose_attributes_code_sets():
    def inner(self):
        return lambda: setattr(self, "a", 1)

    def both(self, other):
        self.a = self.b = 1
        other.a += self.a

    def own(self, x):
        self.a += 1
        self.a, self.b = x, [item for item in x]  # noqa: C416
        x.requires_grad = True

    def child(self):
        self.child.a += 1

    found = [sets(function) for function in (inner, both, own, child, count)]
    assert found == [Sets.OTHERS, Sets.OWN | Sets.OTHERS, Sets.OWN, Sets.OTHERS, Sets.OWN]
    assert methods_that_set(Scheduled.Counter) == {"step": Sets.OWN}
    assert sets_attributes(Scheduled) == Sets.OWN | Sets.OTHERS
    assert not sets_attributes(Base)
