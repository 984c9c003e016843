"""What conditioning adds: at most half of a network's parameters by default, shown with the dearest layers first."""

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.space import LogUniform, LossSpace, Simplex

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


def decoder(width=12):
    """A small CNN that widens at once, as decoders do."""
    return nn.Sequential(
        nn.Linear(width, 1568),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 32, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1),
    )


def classifier():
    return nn.Sequential(nn.Flatten(), nn.Linear(49, 900), nn.ReLU(), nn.Linear(900, 10))


def share(model):
    plain = sum(p.numel() for p in model.plain.parameters())
    return sum(p.numel() for p in model.film.parameters()) / plain, plain


@pytest.mark.parametrize("make", [lambda: decoder(12), lambda: decoder(40), classifier])
@pytest.mark.parametrize("space", [SPACE, LossSpace(mix=Simplex("a", "b", "c"), q=LogUniform(1, 2))])
@pytest.mark.parametrize("settings", [{}, {"fourier": 3}])
def test_the_default_adds_at_most_half(make, space, settings):
    model = condition(make(), space, **settings)
    added, plain = share(model)
    assert added <= (0.5 if plain > 50_000 else 25_000 / plain)
    assert added > 0.35 * (0.5 if plain > 50_000 else 25_000 / plain)


def test_small_costs_and_given_widths_stay():
    assert condition(nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64)), SPACE).config["hidden"] == [64]
    assert condition(decoder(), SPACE, hidden=(64,)).config["hidden"] == [64]
    assert share(condition(decoder(), SPACE, hidden=(64,)))[0] > 4
    assert condition(decoder(), SPACE, layout="separate").config["hidden"] == [64]


def test_a_narrow_trunk_comes_back():
    model = condition(decoder(), SPACE)
    assert len(model.config["hidden"]) == 2
    again = condition(decoder(), SPACE, **model.config)
    again.load_state_dict(model.state_dict())
    x = torch.randn(3, 12)
    assert torch.equal(again(x, at={"b": 2.0}), model(x, at={"b": 2.0}))


def test_the_table_begins_with_the_dearest_layer():
    lines = str(
        condition(nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 9), nn.Linear(9, 5)), SPACE).conditioned
    ).splitlines()
    assert [line.split()[0] for line in lines if "Linear" in line] == ["1", "2", "0"]
