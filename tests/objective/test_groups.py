"""Means over groups at each sample's own λ, against plain means and a loop in float64."""

import math

import pytest
import torch

from yoto import LogUniform, LossSpace, LossStep, Objective, Uniform, condition, sweep
from yoto.errors import YotoError
from yoto.objective import group_means

SPACE = LossSpace(fit=1.0, gap=LogUniform(0.1, 10.0), shift=Uniform(0.0, 1.0, weight=False))


def members(n):
    group = torch.arange(n) % 3
    return torch.stack([group == 0, group == 1, group <= 1], dim=1)


def test_with_one_lambda_they_are_the_plain_means_for_every_sample():
    values, inside = torch.randn(30, dtype=torch.float64), members(30)
    wanted = torch.stack([values[inside[:, group]].mean() for group in range(3)])
    point = SPACE.point(gap=1.0, shift=0.3)
    for at in (point, point.expand(30, -1)):
        found = group_means(values, inside, at, SPACE)
        assert found.shape == (30, 3)
        assert torch.allclose(found, wanted.expand(30, -1), atol=1e-12)


def test_members_count_by_a_gaussian_of_the_distance_of_their_lambda():
    values, inside, at = torch.randn(12, dtype=torch.float64), members(12), SPACE.sample(12)
    place = SPACE.encode(at).double()
    for sample, found in enumerate(group_means(values, inside, at, SPACE, width=0.3)):
        for group in range(3):
            own = [i for i in range(12) if inside[i, group]]
            shares = [math.exp(-float((place[i] - place[sample]).square().sum()) / (2 * 0.3**2)) for i in own]
            wanted = sum(s * float(values[i]) for s, i in zip(shares, own, strict=True)) / sum(shares)
            assert float(found[group]) == pytest.approx(wanted, rel=1e-5)


def test_far_lambda_do_not_mix_and_near_ones_that_are_missing_give_no_nan():
    at = torch.stack([SPACE.point(gap=gap, shift=0.5) for gap in (0.1, 10.0)]).repeat_interleave(4, dim=0)
    values = torch.tensor([1.0, 2.0, 1.0, 2.0, 7.0, 8.0, 7.0, 8.0], requires_grad=True)
    inside = torch.tensor([[True, False], [False, True]]).repeat(4, 1)
    found = group_means(values, inside, at, SPACE, width=0.05)
    assert torch.allclose(found, torch.tensor([[1.0, 2.0], [7.0, 8.0]]).repeat_interleave(4, dim=0))
    inside[4:, 0] = False  # nobody of the first group at the upper end
    found = group_means(values, inside, at, SPACE, width=0.05)
    found[:, 0].sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(values.grad).all()
    assert values.grad[4:].abs().max() == 0


def test_a_network_learns_to_close_the_gap_where_its_weight_is_large():
    torch.manual_seed(0)
    space = LossSpace(fit=1.0, gap=LogUniform(0.03, 30.0))
    x = torch.randn(512, 2)
    group = x[:, :1] > 0
    data = (x, torch.cat([group, ~group], dim=1))

    def terms(net, batch, at):
        x, inside = batch
        y = net(x)[:, 0]
        means = group_means(y, inside, at, space)
        return {"fit": (y - x[:, 0] - x[:, 1]).square(), "gap": (means[:, 0] - means[:, 1]).square()}

    model = condition(torch.nn.Linear(2, 1), space)
    step, optimiser = LossStep(model, terms, Objective(space)), torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        step(data, space.sample(512))[0].backward()
        optimiser.step()
        optimiser.zero_grad()
    curve = sweep(model, [data], terms, space.grid(5))
    assert list(curve.terms["gap"]) == sorted(curve.terms["gap"], reverse=True)
    assert curve.terms["gap"][-1] < 0.05 * curve.terms["gap"][0]
    assert curve.terms["fit"][0] < 0.5 * curve.terms["fit"][-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": torch.zeros(4, 1)}, "`values` should hold one number per sample"),
        ({"members": torch.ones(4, 2)}, "`members` should be a bool tensor [4, G]. Found torch.float32 (4, 2)."),
        ({"members": torch.tensor([[True, False]] * 4)}, "Found none of group 1."),
        ({"at": SPACE.sample(3)}, "λ should have a row for each of the 4 samples. Found 3 rows."),
        ({"width": 0.0}, "`width` should be above 0. Found 0.0."),
        ({"width": "a"}, "`width` should be a number. Found 'a'."),
        ({"values": torch.ones(4) > 0}, "`values` should be floating-point numbers. Found torch.bool"),
    ],
)
def test_bad_input_is_said_in_a_line(change, said):
    given = {"values": torch.zeros(4), "members": torch.ones(4, 2, dtype=torch.bool), "at": SPACE.sample(4)} | change
    width = {"width": given.pop("width")} if "width" in given else {}
    with pytest.raises(YotoError) as error:
        group_means(*given.values(), SPACE, **width)
    assert said in str(error.value)
