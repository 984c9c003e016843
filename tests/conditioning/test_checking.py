"""What the plain network does not show: samples that are mixed while alike, weights that are read elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
X = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))


class Mixed(nn.Module):
    """A norm of one channel gives its bias, whatever the sample; `mix` decides what becomes of it."""

    def __init__(self, mix):
        super().__init__()
        self.mix, self.norm, self.first, self.head = mix, nn.LayerNorm(1), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x)
        y = self.norm(x[..., None])[..., 0]
        return self.head(x + (y.mean(0) if self.mix else y))


def test_layers_that_are_alike_for_all_samples_are_left_out_where_they_are_mixed():
    with pytest.warns(UserWarning, match=r"1 LayerNorm \('norm': its output is alike for all samples, and a layer"):
        model = condition(Mixed(True), SPACE, example=X)
    assert model.conditioned.names == ("first", "head")
    assert condition(Mixed(False), SPACE, example=X).conditioned.names == ("norm", "first", "head")


def test_without_an_example_the_first_call_refuses():
    with pytest.raises(YotoError, match="'norm': its output is alike for all samples"):
        condition(Mixed(True), SPACE)(X, at=SPACE.grid(3))
    assert condition(Mixed(False), SPACE)(X, at=SPACE.grid(3)).shape == (3, 2)


class Words(nn.Module):
    """An output projection that reads the weight of an embedding, which is called too."""

    def __init__(self):
        super().__init__()
        self.words, self.first, self.second = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, ids):
        x = torch.relu(self.first(self.words(ids)))
        return torch.relu(self.second(x)) @ self.words.weight.T + self.first.weight.sum()


def test_layers_that_are_called_and_read_elsewhere_too_are_left_out():
    torch.manual_seed(0)
    ids = torch.randint(9, (3, 5))
    with pytest.warns(
        UserWarning, match=r"1 Embedding \('words': its weight is read elsewhere too.*1 Linear \('first'"
    ):
        model = condition(Words(), SPACE, example=ids)
    assert model.conditioned.names == ("second",)
    model.bake(b=3.0, probe=ids)
    with pytest.raises(YotoError, match="'words' cannot be conditioned: its weight is read elsewhere too"):
        condition(Words(), SPACE, example=ids, sites=["words", "second"])


class Determinant(nn.Module):
    """A flow's invertible layer, whose weight gives the volume too."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.last(self.first(x.float())), torch.linalg.slogdet(self.first.weight)[1].expand(len(x))


@pytest.mark.parametrize("kind", [Words, Determinant])
def test_layers_that_are_read_elsewhere_too_are_told_at_the_first_call(kind):
    x, model = torch.randint(9, (3, 5)), condition(kind(), SPACE)
    with pytest.warns(UserWarning, match=r"weights of 'first' are read without calling.* exclude=.* example=inputs"):
        model(x, at=SPACE.sample(3))
    model(x, at=SPACE.sample(3))


def test_a_network_that_draws_otherwise_at_every_call_is_not_judged_by_it():
    class Counting(nn.Module):
        calls = 0

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x):
            Counting.calls += 1
            return self.layer(x) + Counting.calls

    assert condition(Counting(), SPACE, example=X).conditioned.names == ("layer",)


class Rescaled(nn.Module):
    """RWKV: weights are divided once in evaluation, which a copy for every λ would do again."""

    def __init__(self, by):
        super().__init__()
        self.by, self.done, self.layer = by, False, nn.Linear(8, 8)

    def forward(self, x):
        if not self.done:
            self.layer.weight.data.div_(self.by)
            with torch.no_grad():
                self.layer.weight.div_(self.by)
            self.done = True
        return self.layer(x)


def test_a_network_that_changes_its_own_weights_is_refused():
    with pytest.raises(YotoError, match="it changes 'layer.weight'"):
        condition(Rescaled(2.0), SPACE, example=X)
    net = Rescaled(2.0)
    net(X)
    assert condition(net, SPACE, example=X).conditioned.names == ("layer",)


class Masked(nn.Conv2d):
    """A kernel that is masked in place at every call, which changes it once."""

    def forward(self, x):
        self.weight.data[..., 1, 1:] = 0
        return super().forward(x)


def test_a_kernel_that_is_masked_in_place_is_conditioned():
    maps = torch.randn(3, 2, 5, 5)
    model = condition(nn.Sequential(Masked(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 1)), SPACE, example=maps)
    assert model.conditioned.names == ("0", "2")
    assert torch.allclose(model.bake(b=3.0, probe=maps)(maps), model(maps, b=3.0), atol=1e-5)
