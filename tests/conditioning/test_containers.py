"""What a network keeps in dictionaries and lists is of one λ, and stays with the network that is bound at it."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from yoto.conditioning import condition
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


class Tables(nn.Module):
    """A table by length, kept in evaluation, nested or not; a child knows the same dictionary."""

    def __init__(self, nested):
        super().__init__()
        self.table, self.child, self.kept = nn.Linear(1, 4), nn.Tanh(), {"inner": {}} if nested else {}
        self.child.kept, self.nested = self.kept, nested

    def forward(self, x):
        kept = self.child.kept["inner"] if self.nested else self.child.kept
        if x.shape[1] not in kept:
            kept[x.shape[1]] = self.child(self.table(torch.linspace(0, 1, x.shape[1])[:, None]))
        assert self.kept is self.child.kept
        return x + kept[x.shape[1]]


@dataclass
class Cache:
    table: Tensor | None = None


class Record(nn.Module):
    """A table that is computed once, kept in a record of some kind, or where a buffer is empty until then."""

    def __init__(self, make):
        super().__init__()
        self.table, self.child = nn.Linear(1, 4), nn.Tanh()
        self.child.kept = self.kept = make(self)

    def forward(self, x):
        kept = self.child.kept["inner"] if isinstance(self.kept, dict) else self.child.kept
        if kept.table is None:
            kept.table = self.table(torch.ones(1, 1)).detach()
        assert self.kept is self.child.kept
        return x + kept.table


def in_a_buffer(net):
    kept = nn.Module()
    kept.register_buffer("table", None, persistent=False)
    return kept


RECORDS = [
    lambda: Record(lambda net: Cache()),
    lambda: Record(lambda net: SimpleNamespace(table=None)),
    lambda: Record(lambda net: {"inner": Cache()}),
    lambda: Record(in_a_buffer),
]


class Collects(nn.Module):
    """Collects its layers at the first call."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.layers = nn.Linear(4, 4), nn.Linear(4, 4), []

    def forward(self, x):
        if not self.layers:
            self.layers.extend(m for m in self.modules() if isinstance(m, nn.Linear))
        for layer in self.layers:
            x = layer(x).tanh()
        return x


@pytest.mark.parametrize("make", [lambda: Tables(False), lambda: Tables(True), *RECORDS, Collects])
@pytest.mark.parametrize("called", [False, True], ids=["bound", "plain"])
def test_what_is_kept_at_one_lambda_is_not_used_at_another(make, called):
    model, x = condition(make(), SPACE, multiplier=1.0).eval(), torch.rand(2, 5, 4)
    expected = model.bake(b=0.2)(x)
    if called and isinstance(model.plain, Collects):
        model.plain(x)
    model(x, b=5.0)
    torch.testing.assert_close(model(x, b=0.2), expected)
    if not called:
        torch.testing.assert_close(model.bake(b=0.2)(x), expected)


def test_features_are_read_from_the_bound_network():
    class Records(nn.Sequential):
        features: dict

    def keep(module, inputs, output):
        module.seen["last"] = output

    net, beside = Records(nn.Linear(4, 3), nn.Tanh()), {}
    net.features, net[0].seen = beside, {}
    net[0].register_forward_hook(keep)
    net[1].register_forward_hook(lambda _, inputs, output: beside.update(last=output))
    model, x = condition(net, SPACE).eval(), torch.randn(2, 4)
    bound = model.at(b=0.3)
    y = bound(x)
    assert bound.features["last"] is y
    assert torch.equal(bound[0].seen["last"].tanh(), y)
    assert not model.plain[0].seen


def test_a_memory_that_is_filled_in_training_goes_on_from_step_to_step():
    class Memory(nn.Linear):
        def __init__(self):
            super().__init__(4, 4)
            self.queue, self.calls = [], {"number": 0}

        def forward(self, x):
            self.queue.append(x.detach())
            self.calls["number"] += 1
            return super().forward(x)

    model, x = condition(nn.Sequential(Memory(), nn.Tanh()), SPACE), torch.rand(2, 4)
    model.plain[0].queue.clear()
    model.plain[0].calls["number"] = 0
    for weight in (0.2, 1.0, 5.0):
        model(x, b=weight)
    assert len(model.plain[0].queue) == model.plain[0].calls["number"] == 3


def test_a_record_that_is_filled_in_training_goes_on_and_frozen_ones_are_shared():
    @dataclass(frozen=True)
    class Settings:
        width: int = 4

    class Counts(nn.Linear):
        def __init__(self):
            super().__init__(4, 4)
            self.record, self.settings = SimpleNamespace(calls=0), Settings()

        def forward(self, x):
            self.record.calls += 1
            return super().forward(x)

    model, x = condition(Counts(), SPACE), torch.rand(2, 4)
    model.plain.record.calls = 0
    for _ in range(3):
        model(x, b=0.2)
    assert model.plain.record.calls == 3
    model.eval()(x, b=0.2)
    assert model.plain.record.calls == 3
    assert model.at(b=0.2).settings is model.plain.settings
