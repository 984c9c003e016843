"""Networks that keep something from call to call are probed and compared as if every call were the first."""

from __future__ import annotations

import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.conditioning.state import State
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Recurrent(nn.Module):
    """Keeps its hidden state; of another batch size, it begins anew or, `strict`, fails."""

    def __init__(self, strict=False):
        super().__init__()
        self.first, self.last, self.hidden, self.strict = nn.Linear(3, 4), nn.Linear(4, 2), None, strict

    def reset(self):
        self.hidden = None
        return self

    def forward(self, x):
        if self.hidden is None or not (self.strict or len(self.hidden) == len(x)):
            self.hidden = x.new_zeros(len(x), 4)
        self.hidden = torch.tanh(self.first(x) + self.hidden)
        return self.last(self.hidden)


class Spiking(nn.Module):
    """Neurons whose potential somebody else resets."""

    class Neuron(nn.Module):
        potential = 0.0

        def forward(self, x):
            self.potential = 0.9 * self.potential + x
            return torch.sigmoid(5 * self.potential - 1)

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), self.Neuron(), nn.Linear(4, 2), self.Neuron())

    def reset(self):
        for module in self.modules():
            if isinstance(module, self.Neuron):
                module.potential = 0.0
        return self

    def forward(self, x):
        return sum(self.layers(x) for _ in range(3))


class Streams(nn.Module):
    """Noise of generators of its own, and a queue of what it saw."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.queue = nn.Linear(3, 4), nn.Linear(4, 2), deque(maxlen=3)
        self.torchs, self.numpys = torch.Generator().manual_seed(1), np.random.default_rng(1)

    def reset(self):
        self.queue.clear()
        self.torchs.manual_seed(1)
        self.numpys = np.random.default_rng(1)
        return self

    def forward(self, x):
        noise = torch.randn(4, generator=self.torchs, dtype=x.dtype) + float(self.numpys.normal())
        self.queue.append(self.first(x).detach())
        return self.last(self.first(x) + noise + self.queue[0])


@pytest.mark.parametrize("make", [Recurrent, lambda: Recurrent(strict=True), Spiking, Streams])
@pytest.mark.parametrize("shown", [False, True], ids=["unseen", "example"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_what_a_call_leaves_behind_does_not_look_like_samples_that_mix(make, shown):
    torch.manual_seed(0)
    x, lam = torch.randn(4, 3), SPACE.sample(4, torch.Generator().manual_seed(0))
    model = condition(make(), SPACE, multiplier=1.0, example=torch.randn(3, 3) if shown else None).eval()
    together = model.at(lam).reset()(x)
    assert len(model.sites) == 2
    for sample, each in enumerate(lam):
        torch.testing.assert_close(together[sample], model.at(each).reset()(x)[sample])


def test_a_probe_leaves_the_baked_network_and_the_model_in_the_state_that_they_were_in():
    class Counts(Recurrent):
        def __init__(self):
            super().__init__()
            self.calls, self.seen = 0, []
            self.register_buffer("total", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            self.seen.append(len(x))
            self.total += 1
            return super().forward(x)

    model = condition(Counts(), SPACE).train()
    plain = model.bake(b=0.3, probe=torch.rand(2, 3))
    for net in (plain, model.plain):
        assert (net.calls, net.seen, float(net.total), net.hidden) == (0, [], 0.0, None)


def test_a_state_is_put_back_whatever_holds_it():
    net = nn.Module()
    net.register_buffer("sum", torch.zeros(2))
    net.register_buffer("late", None)
    net.numbers, net.names, net.record = [torch.zeros(2), {"a": 1}], {1, 2}, SimpleNamespace(step=0)
    net.record.itself, net.streams, net.missing = net.record, [random.Random(1), np.random.default_rng(1)], None
    state = State(net)
    assert not state.changed()
    changes = [
        lambda: net.sum.add_(1),
        lambda: net.numbers[0].add_(1),
        lambda: net.numbers[1].update(b=2),
        lambda: net.names.add(3),
        lambda: setattr(net.record, "step", 1),
        lambda: setattr(net, "missing", torch.ones(2)),
        lambda: setattr(net, "late", torch.ones(2)),
        lambda: setattr(net, "added", 1),
        net.streams[0].random,
        net.streams[1].random,
    ]
    for change in changes:
        change()
        assert state.changed()
        state.put_back()
        assert not state.changed()
    assert (float(net.sum.sum()), float(net.numbers[0].sum()), net.numbers[1]) == (0.0, 0.0, {"a": 1})
    assert (net.names, net.record.step, net.missing, net.late, hasattr(net, "added")) == ({1, 2}, 0, None, None, False)
    assert net.streams[0].random() == random.Random(1).random()
    assert net.streams[1].random() == np.random.default_rng(1).random()


@pytest.mark.filterwarnings("ignore:condition")
@pytest.mark.parametrize("example", [None, torch.rand(3, 3)], ids=["unseen", "example"])
def test_conditioning_leaves_what_hooks_write_elsewhere_as_it_was(example):
    net = Recurrent()
    net.seen, last = [], net.last
    last.calls = 0
    net.first.register_forward_hook(lambda module, inputs, output: setattr(last, "calls", last.calls + 1))
    net.last.register_forward_hook(lambda module, inputs, output: net.seen.append(len(output)))
    model = condition(net, SPACE, example=example)
    assert (model.plain.last.calls, model.plain.seen, net.seen) == (0, [], [])
    assert len(model.sites) == 2
