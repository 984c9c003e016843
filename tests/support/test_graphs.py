"""Networks and loss terms that differentiate, as those of physics do: conditioned, measured, chosen, baked."""

import pytest
import torch
from torch import nn

import yoto
from yoto.curves.scaling import term_scales
from yoto.support.graphs import without_graph

SPACE = yoto.LossSpace(fit=1.0, size=yoto.LogUniform(0.01, 1.0))


class Hamiltonian(nn.Module):
    """Position and momentum [B, 2] to their rates of change, the slopes of a learned energy."""

    def __init__(self):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, state):
        state = state.detach().requires_grad_()
        slopes = torch.autograd.grad(self.energy(state).sum(), state, create_graph=True)[0]
        return torch.stack([slopes[:, 1], -slopes[:, 0]], dim=1)


def rates_terms(net, batch):
    rates = net(batch[0])
    return {"fit": (rates - batch[1]).square().sum(1), "size": rates.abs().sum(1)}


def slope_terms(net, batch):
    """A residual: the slope of the network's answer, by the batch itself."""
    at = batch[0].clone().requires_grad_()
    answer = net(at)[:, 0]
    return {
        "fit": (answer - batch[1][:, 0]).square(),
        "size": torch.autograd.grad(answer.sum(), at, create_graph=True)[0].square().sum(1),
    }


@pytest.fixture
def batch():
    return torch.randn(6, 2), torch.randn(6, 2)


def test_a_network_that_differentiates_takes_a_lambda_for_every_sample(batch):
    model = yoto.condition(Hamiltonian(), SPACE, example=batch[0])
    lam = SPACE.sample(6)
    rows = [model(batch[0][i : i + 1], at=lam[i]) for i in range(6)]
    torch.testing.assert_close(model(batch[0], at=lam), torch.cat(rows))


def test_it_is_measured_and_baked_as_any_other(batch):
    model = yoto.condition(Hamiltonian(), SPACE, example=batch[0]).eval()
    points = SPACE.grid(3)
    curve = yoto.sweep(model, [batch], rates_terms, points)
    for lam, point in zip(points, range(3), strict=True):
        plain = model.bake(lam, probe=batch[0])
        for name, term in rates_terms(plain, batch).items():
            assert curve.terms[name][point] == pytest.approx(float(term.detach().mean()), rel=1e-5)


def test_terms_may_differentiate_a_network_by_its_inputs(batch):
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    curve = yoto.sweep(yoto.condition(net, SPACE), [batch], slope_terms, SPACE.grid(2))
    assert all(value > 0 for value in curve.terms["size"])
    assert term_scales(net, [batch], slope_terms)["size"] == pytest.approx(
        float(slope_terms(net, batch)["size"].detach().mean())
    )
    found = yoto.select(
        yoto.condition(net, SPACE), [batch], slope_terms, minimise="fit", subject_to=["size <= 100"], evaluations=4
    )
    assert found.feasible


def test_what_needs_no_graph_has_none_and_other_faults_are_told():
    weight = torch.ones(3, requires_grad=True)
    assert not without_graph(lambda: {"twice": [2 * weight]})["twice"][0].requires_grad
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        without_graph(lambda: torch.ones(2, 3) @ torch.ones(2, 3))
    with torch.inference_mode():
        slope = without_graph(lambda: torch.autograd.grad((weight**2).sum(), weight)[0])
    assert slope.tolist() == [2, 2, 2]
