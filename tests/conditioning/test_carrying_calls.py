"""Whatever sets an attribute in training, and wherever it is set: networks go on as they would without λ."""

from __future__ import annotations

import copy
import inspect
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


class Annealed(Base):
    """Its loss counts, in a method that runs no `forward`, or beside one; the number is the class's at first."""

    steps = 0

    def forward(self, x):
        return self.last(self.first(x)) + self.steps

    def loss(self, x):
        self.steps += 1
        return self.steps * self.last(self.first(x)).square()

    def total(self, x):
        return self(x) + self.loss(x)


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


def by_call(net, x):
    return net(x)


def after(net, x):
    return net(x) + net.loss(x)


CASES = [
    (Truncated, by_call),
    (Scheduled, by_call),
    (Hooked, by_call),
    (Annealed, Annealed.loss),
    (Annealed, after),
    (Annealed, Annealed.total),
]


@pytest.mark.parametrize(("kind", "call"), CASES)
def test_training_goes_on_as_without_lambda(kind, call):
    torch.manual_seed(0)
    net = kind().train()
    model = condition(net, SPACE, start="plain")
    for step in range(4):
        x = torch.randn(5, 3)
        torch.manual_seed(step)
        expected = call(net, x)
        torch.manual_seed(step)
        found = getattr(model.at(b=0.3), call.__name__, lambda x: call(model.at(b=0.3), x))(x)
        torch.testing.assert_close(found, expected)
        found.sum().backward()
    assert vars(model.plain).get("steps", 4) == 4


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


def test_in_evaluation_methods_set_attributes_of_the_bound_network_alone():
    model, x = condition(Annealed(), SPACE).eval(), torch.rand(2, 3)
    bound = model.at(b=0.3)
    bound.loss(x)
    assert bound.steps == 1
    assert model.plain.steps == 0
    trains = model.train().at(b=0.3)
    trains.eval().loss(x)
    assert model.plain.steps == 0


def test_a_bound_network_is_of_its_class_with_its_signatures_and_copies_set_nothing_in_the_model():
    model, x = condition(Annealed(), SPACE).train(), torch.rand(2, 3)
    with torch.no_grad():
        bound = model.at(b=0.3)
    assert isinstance(bound, Annealed)
    assert (type(bound).__name__, type(bound).__doc__) == ("Annealed", Annealed.__doc__)
    assert inspect.signature(bound.forward) == inspect.signature(model.plain.forward)
    for other in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound)), type(bound)()):
        other.loss(x)
        assert other.steps == 1
        assert isinstance(other, Annealed)
    assert model.plain.steps == 0
    assert type(model.at(b=0.3).first).__name__ == "FiLMLinear"
    assert type(model.eval().at(b=0.3)) is Annealed
    assert type(model.train().bake(b=0.3)) is Annealed


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
    assert methods_that_set(Annealed) == {"loss": Sets.OWN}
    assert sets_attributes(Scheduled) == Sets.OWN | Sets.OTHERS
    assert not sets_attributes(Base)
