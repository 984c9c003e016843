"""The piecewise layout: values at knots, straight lines between, exact where it starts and where it is baked."""

import pytest
import torch
from torch import nn

from yoto import Choice, LogUniform, LossSpace, Uniform, condition, load, save
from yoto.errors import YotoError

SPACE = LossSpace(fit=1.0, size=LogUniform(0.01, 100.0))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).double()


def scales(model, weight):
    """Scale and shift of the first layer at a λ, as one vector."""
    space = model.space
    encoding = space.encode(space.point(size=weight), model.config["fourier"]).double()
    return torch.cat(model.film(encoding)[0]).detach()


def randomised(model):
    for parameter in model.film.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def test_values_lie_on_straight_lines_between_the_knots():
    model = randomised(condition(network(), SPACE, layout="piecewise", hidden=[5], fourier=0).double())
    knots = [scales(model, 10.0**power) for power in range(-2, 3)]
    for power in range(-2, 2):
        for share in (0.25, 0.5, 0.75):
            between = (1 - share) * knots[power + 2] + share * knots[power + 3]
            assert torch.allclose(scales(model, 10 ** (power + share)), between, atol=1e-5)
    bends = [knots[i - 1] - 2 * knots[i] + knots[i + 1] for i in (1, 2, 3)]
    assert all(float(bend.abs().max()) > 0.01 for bend in bends)


def test_a_step_at_one_end_leaves_the_other_as_it_was():
    model = condition(network(), SPACE, layout="piecewise", hidden=[5], fourier=0).double()
    before = [scales(model, weight) for weight in (0.01, 1.0, 100.0)]
    columns = 5  # of the knots; the rest is linear in λ's position
    optimiser = torch.optim.SGD(model.film.parameters(), 0.1)
    model(torch.ones(4, 3, dtype=torch.float64), at={"size": 0.01}).sum().backward()
    model.film.heads.weight.grad[:, columns:] = 0
    model.film.heads.bias.grad[:] = 0
    optimiser.step()
    after = [scales(model, weight) for weight in (0.01, 1.0, 100.0)]
    assert not torch.allclose(after[0], before[0], atol=1e-3)
    assert all(torch.equal(one, other) for one, other in zip(after[1:], before[1:], strict=True))


def test_several_intervals_and_names_add_up_and_bake_exactly(tmp_path):
    space = LossSpace(
        fit=1.0, size=LogUniform(0.01, 100.0), skew=Uniform(0.0, 1.0, weight=False), kind=Choice("a", "b")
    )
    model = randomised(condition(network(), space, layout="piecewise", hidden=[4]).double())
    x = torch.rand(6, 3, dtype=torch.float64)
    lam = space.sample(6).double()
    each = torch.cat([model.bake(row)(x[i : i + 1]) for i, row in enumerate(lam)])
    assert torch.allclose(model(x, at=lam), each, atol=1e-9)
    assert not torch.allclose(model(x, at=lam), model(x, at=lam.flip(0)), atol=1e-3)
    save(model, tmp_path / "model.safetensors")
    assert torch.equal(load(tmp_path / "model.safetensors", net=network()).model(x, at=lam), model(x, at=lam))


def test_it_starts_plain_where_that_is_asked_for_and_adds_what_it_says():
    net = network()
    model = condition(net, SPACE, layout="piecewise", start="plain").double()
    x = torch.rand(5, 3, dtype=torch.float64)
    assert torch.equal(model(x, at=SPACE.sample(5)), net(x))
    assert sum(model.conditioned.added) == sum(p.numel() for p in model.film.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"hidden": [1]}, "knots"), ({"hidden": [8, 8]}, "knots"), ({"raw": True}, "raw"), ({"skip": True}, "skip")],
)
def test_settings_that_do_not_go_with_it_are_refused(settings, message):
    with pytest.raises(YotoError, match=message):
        condition(network(), SPACE, layout="piecewise", **settings)
