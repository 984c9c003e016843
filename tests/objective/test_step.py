import torch
from torch import nn

from yoto import LogUniform, LossSpace, condition
from yoto.objective import Objective
from yoto.objective.step import LossStep

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))


def terms(net, batch, at):
    out = net(batch)
    return {"fit": (out - 1).square().mean(1), "size": out.square().mean(1)}


def test_a_step_gives_the_loss_and_its_terms_at_each_samples_lambda():
    model, objective = condition(nn.Linear(3, 2), SPACE), Objective(SPACE)
    batch, lam = torch.rand(4, 3), SPACE.sample(4)
    loss, found = LossStep(model, terms, objective)(batch, lam)
    expected = terms(model.at(lam), batch, lam)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert torch.equal(loss, objective(expected, lam))


def test_a_plain_network_takes_the_step_as_it_is_and_halved_terms_come_back_whole():
    net = nn.Linear(3, 2)
    step = LossStep(net, terms, Objective(SPACE), mixed=True)
    loss, found = step(torch.rand(4, 3), SPACE.point(size=2.0))
    assert {value.dtype for value in found.values()} == {torch.float32}
    loss.backward()
    assert net.weight.grad is not None
    assert set(step.state_dict()) == {"model.weight", "model.bias"}
