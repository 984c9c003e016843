"""A wider range of a trained model: the old one in its range, and trained on."""

import pytest
import torch
from torch import nn

from yoto.bundle import load, save
from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import Choice, LogUniform, LossSpace, Uniform

SPACE = LossSpace(fit=1.0, kl=LogUniform(0.5, 8.0), q=Uniform(0.2, 0.8, weight=False))
WIDER = {"kl": LogUniform(0.01, 100.0), "q": Uniform(0.0, 1.0, weight=False)}


def trained(**settings):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
    model = condition(net, SPACE, **settings)
    return train(model, 20)


def train(model, steps):
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        x, lam = torch.randn(32, 3), model.space.sample(32)
        loss = (model(x, at=lam) - lam[:, 1:2].log()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


@pytest.mark.parametrize("settings", [{}, {"fourier": 3}, {"raw": True}, {"layout": "separate"}])
def test_it_is_the_old_model_in_the_old_range(settings):
    model = trained(**settings)
    wider, x, lam = model.widened(**WIDER), torch.randn(64, 3), SPACE.sample(64)
    assert torch.equal(wider(x, at=lam), model(x, at=lam))
    with pytest.raises(YotoError, match="should lie in"):
        model(x, kl=50.0, q=0.5)
    assert wider(x, kl=50.0, q=0.5).isfinite().all()


def test_it_trains_on_alone():
    model = trained()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    wider = model.widened(**WIDER)
    x, lam = torch.randn(256, 3), wider.space.sample(256)
    error = lambda: (wider(x, at=lam) - lam[:, 1:2].log()).square().mean().item()  # noqa: E731
    start = error()
    train(wider, 300)
    assert error() < 0.5 * start
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_it_is_widened_again_saved_and_loaded(tmp_path):
    model = trained()
    wider = model.widened(kl=LogUniform(0.1, 10.0)).widened(kl=LogUniform(0.01, 100.0))
    assert wider.space.parameters["kl"].shown == (0.5, 8.0)
    save(wider, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors", net=model.plain).model
    x, lam = torch.randn(64, 3), SPACE.sample(64)
    assert torch.equal(again(x, at=lam), model(x, at=lam))
    assert again.space == wider.space != SPACE


def test_draws_and_grid_fill_the_wider_range():
    space = SPACE.widened(**WIDER)
    assert space.grid(3)[:, 1].tolist()[:3] == pytest.approx([0.01, 1.0, 100.0])
    lam = space.sample(1000, torch.Generator().manual_seed(0))
    assert lam[:, 1].min() < 0.011
    assert lam[:, 1].max() > 90
    assert LossSpace.from_json(space.to_json()) == space


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"kl": LogUniform(1.0, 100.0)}, r"holds \[0.5, 8\]"),
        ({"kl": Uniform(0.1, 100.0)}, "should stay LogUniform"),
        ({"q": Uniform(0.0, 1.0)}, "should stay Uniform"),
        ({"fit": LogUniform(0.1, 2.0)}, "to be widened. Found fixed"),
        ({"kx": LogUniform(0.1, 2.0)}, "Did you mean 'kl'"),
    ],
)
def test_what_is_no_wider_range_is_refused(ranges, message):
    with pytest.raises(YotoError, match=message):
        SPACE.widened(**ranges)
    with pytest.raises(YotoError, match="to be widened. Found choice"):
        LossSpace(style=Choice("a", "b")).widened(style=LogUniform(1, 2))


@pytest.mark.parametrize("anchor", [(0.0, 1.0), (2.0, 1.0), 3.0, (1.0,), "ab"])
def test_a_bad_anchor_is_refused(anchor):
    with pytest.raises(YotoError, match="anchor"):
        LogUniform(1.0, 2.0, anchor=anchor)
