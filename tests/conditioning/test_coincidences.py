"""What looks like the samples on one example and is not: rows that inputs regroup, and as many other things."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
X = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))


class Layer(nn.Module):
    """One layer to look at, and one behind it that holds the samples plainly."""

    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Linear(6, 6), nn.Linear(6, 6)
        self.register_buffer("anchors", torch.randn(3, 6))

    def forward(self, *inputs):
        return self.last(self.inner(*inputs))


class Unpadded(Layer):
    """Padding is dropped before the layer."""

    def inner(self, x, mask):
        y = torch.zeros_like(x)
        y[mask > 0] = self.a(x[mask > 0])
        return y


class Packed(Layer):
    def inner(self, x, lengths):
        p = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(PackedSequence(self.a(p.data), *p[1:]), batch_first=True, total_length=4)[0]


class Sorted(Layer):
    """The longest first, and back."""

    def inner(self, x, lengths):
        order = lengths.argsort(descending=True, stable=True)
        return self.a(x[order])[order.argsort()]


class Anchored(Layer):
    """Runs on three anchors as well."""

    def inner(self, x):
        z = self.a(torch.cat([x.mean(1), self.anchors])).tanh()
        return x * (z[: len(x)] @ z[len(x) :].T).mean(1)[:, None, None]


class Interleaved(Layer):
    """Even rows first, and back."""

    def inner(self, x):
        order = torch.cat([torch.arange(0, len(x), 2), torch.arange(1, len(x), 2)])
        return self.a(x[order])[order.argsort()]


OTHERWISE, MIXES = "it runs otherwise for other samples", "its output mixes the samples of a batch"
FULL = torch.full((3,), 4)
KINDS = {
    "a mask": (Unpadded, (X, torch.ones(3, 4, dtype=torch.bool)), OTHERWISE),
    "a mask of integers": (Unpadded, (X, torch.ones(3, 4, dtype=torch.long)), OTHERWISE),
    "packed": (Packed, (X, FULL), OTHERWISE),
    "sorted": (Sorted, (X, FULL), MIXES),
    "anchors": (Anchored, (X,), "its output holds other things than samples too"),
    "interleaved": (Interleaved, (X[:2],), "its output holds the samples of a batch in another order"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_no_samples_are_left_out(kind):
    network, example, reason = KINDS[kind]
    with pytest.warns(UserWarning, match=f"'a': {reason}"):
        model = condition(network(), SPACE, example=example)
    assert model.conditioned.names == ("last",)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_example_the_first_call_says_so(kind):
    network, inputs, reason = KINDS[kind]
    model, lam = condition(network(), SPACE), SPACE.sample(len(inputs[0]))
    if reason == MIXES:
        with pytest.warns(UserWarning, match=f"'a': {reason}"):
            model(*inputs, at=lam)
    else:
        with pytest.raises(YotoError, match=f"'a': {reason}"):
            model(*inputs, at=lam)
    assert condition(network(), SPACE)(*inputs, at=lam[0]).shape == inputs[0].shape


class Guided(Layer):
    """The batch a second time without its condition, alike for all samples, as classifier-free guidance has it."""

    def inner(self, x, steps, labels):
        both = self.a(torch.cat([x, torch.zeros_like(x)]))
        return (both[: len(x)] + both[len(x) :]) * steps[:, None, None] + labels[..., None]


class Ranked(Layer):
    """Takes lengths in descending order only."""

    def inner(self, x, lengths):
        packed = pack_padded_sequence(self.a(x), lengths, batch_first=True)
        return pad_packed_sequence(packed, batch_first=True, total_length=4)[0]


@pytest.mark.parametrize(
    ("network", "example"),
    [
        (Guided, (X, torch.tensor([5, 5, 5]), torch.ones(3, 4, dtype=torch.long))),
        (Guided, (X, torch.tensor([0, 2, 1]), torch.ones(3, 4, dtype=torch.bool))),
        (Ranked, (X, torch.tensor([4, 3, 3]))),
        (Ranked, (X[:2], torch.tensor([4, 4]))),
    ],
)
def test_rows_that_are_samples_stay(network, example):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = condition(network(), SPACE, example=example)
        assert model.conditioned.names == ("a", "last")
        condition(network(), SPACE)(*example, at=SPACE.sample(len(example[0])))


class Rows(nn.Module):
    """The layer sees one sample [T, C] at a time."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x):
        return torch.stack([self.a(row) for row in x])


class Steps(nn.Module):
    """Samples along axis 1, which is the first one behind the recurrent layer."""

    def __init__(self):
        super().__init__()
        self.steps, self.last = nn.GRU(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(self.steps(x)[0][-1])


def test_another_axis_of_as_many_entries_is_told():
    x, lam = torch.randn(3, 3, 6), SPACE.sample(3)
    with pytest.warns(UserWarning, match=r"lie along axis 1: along axis 0 layer 'a' mixes them\. Give batch_dim=1"):
        condition(Rows(), SPACE)(x, at=lam)
    with pytest.warns(UserWarning, match="lie along axis 1: along axis 0 layer 'last' mixes them"):
        condition(Steps(), SPACE, sites=["last"])(x, at=lam)
    with pytest.warns(UserWarning, match="lie along axis 1: axis 2 does not show them"):
        condition(Steps(), SPACE, sites=["last"], batch_dim=2)(x, at=lam)
    condition(Steps(), SPACE, sites=["last"], batch_dim=1)(x, at=lam)
    condition(Steps(), SPACE, sites=["last"])(torch.randn(5, 3, 6), at=lam)


class Centred(nn.Module):
    """Mixes along axis 1."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x):
        return self.a(x - x.mean(1, keepdim=True))


def test_a_given_axis_is_kept():
    x, lam = torch.randn(3, 3, 6), SPACE.sample(3)
    condition(Centred(), SPACE)(x, at=lam)
    with pytest.warns(UserWarning, match="'a': its output mixes the samples of a batch"):
        condition(Centred(), SPACE, batch_dim=1)(x, at=lam)
