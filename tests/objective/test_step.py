import pickle
from functools import partial

import pytest
import torch
from torch import nn

from yoto import LogUniform, LossSpace, YotoError, condition, load, save, sweep
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


def gradients(step, batch, lam):
    step.zero_grad()
    step(batch, lam)[0].backward()
    return [parameter.grad.clone() for parameter in step.parameters()]


@pytest.mark.parametrize("lam", [SPACE.sample(6, torch.Generator().manual_seed(0)), SPACE.point(size=2.0)])
def test_a_compiled_step_has_the_gradients_of_the_step(lam):
    torch._dynamo.reset()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    step, batch = LossStep(condition(net, SPACE), terms, Objective(SPACE)), torch.rand(6, 3)
    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
    for ours, theirs in zip(gradients(step, batch, lam), gradients(compiled, batch, lam), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_accumulated_parts_have_the_gradients_of_the_whole():
    torch.manual_seed(0)
    step, batch, lam = (
        LossStep(condition(nn.Linear(3, 2), SPACE), terms, Objective(SPACE)),
        torch.rand(6, 3),
        SPACE.sample(6),
    )
    whole = gradients(step, batch, lam)
    step.zero_grad()
    for part in range(3):
        rows = slice(2 * part, 2 * part + 2)
        (step(batch[rows], lam[rows])[0] / 3).backward()
    for ours, theirs in zip(whole, [parameter.grad for parameter in step.parameters()], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_terms_of_two_or_three_arguments_and_of_a_task_are_understood():
    class Task:
        def terms(self, net, batch, at):
            return terms(net, batch, at)

    torch.manual_seed(0)
    model, batch, lam = condition(nn.Linear(3, 2), SPACE), torch.rand(4, 3), SPACE.sample(4)
    losses = {
        float(LossStep(model, given, Objective(SPACE))(batch, lam)[0].detach())
        for given in (
            terms,
            Task(),
            lambda net, batch: terms(net, batch, None),
            lambda net, batch, scale=1.0: terms(net, batch, scale),
            lambda *given: {**terms(*given)},
        )
    }
    assert len(losses) == 1


def test_terms_come_back_detached():
    loss, found = LossStep(condition(nn.Linear(3, 2), SPACE), terms, Objective(SPACE))(
        torch.rand(4, 3), SPACE.sample(4)
    )
    assert loss.requires_grad
    assert not any(term.requires_grad for term in found.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": 3}, "`model` should be a network"),
        ({"terms": {"fit": 1}}, "`terms` should be a function"),
        ({"terms": lambda net: {}}, r"`terms` should take \(net, batch\)"),
        ({"objective": lambda terms, lam: 0.0}, "`objective` should be a yoto.Objective"),
        ({"lam": 3.0}, "λ should be a tensor.*Found float"),
        ({"lam": torch.rand(4, 3)}, r"columns fit, size.*Found shape \(4, 3\)"),
        ({"lam": SPACE.sample(5)}, "should have|samples"),
        ({"terms": lambda net, batch: net(batch).sum(1)}, "tensors by name.*Found a Tensor"),
    ],
)
def test_bad_arguments_are_one_line(changes, message):
    given = {"model": condition(nn.Linear(3, 2), SPACE), "terms": terms, "objective": Objective(SPACE), **changes}
    lam = given.pop("lam", SPACE.sample(4))
    with pytest.raises(YotoError, match=message) as caught:
        LossStep(**given)(torch.rand(4, 3), lam)
    assert "\n" not in str(caught.value)


def test_a_module_that_gives_the_terms_is_a_part_of_the_step():
    class Perceptual(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Linear(2, 2)

        def forward(self, net, batch):
            return terms(lambda x: self.features(net(x)), batch, None)

    step = LossStep(condition(nn.Linear(3, 2), SPACE), Perceptual(), Objective(SPACE)).double()
    assert step(torch.rand(4, 3).double(), SPACE.sample(4))[0].dtype == torch.float64
    assert "features.features.weight" in step.state_dict()


def test_terms_may_take_lambda_by_its_name_alone():
    def named(net, batch, *, at):
        return {name: value * at[..., 1] for name, value in terms(net, batch, at).items()}

    model, batch, lam = condition(nn.Linear(3, 2), SPACE), torch.rand(4, 3), SPACE.sample(4)
    found = LossStep(model, named, Objective(SPACE))(batch, lam)[1]
    assert torch.equal(found["fit"], named(model.at(lam), batch, at=lam)["fit"])
    fixed = LossStep(model, partial(named, at=lam[:1]), Objective(SPACE))(batch, lam)[1]
    assert torch.equal(fixed["fit"], named(model.at(lam), batch, at=lam[:1])["fit"])
    with pytest.raises(YotoError, match=r"Found the arguments \(net, batch, other\)"):
        LossStep(model, lambda net, batch, *, other: {}, Objective(SPACE))


def test_a_step_pickles():
    step = LossStep(condition(nn.Linear(3, 2), SPACE), terms, Objective(SPACE))
    batch, lam = torch.rand(4, 3), SPACE.sample(4)
    assert torch.equal(pickle.loads(pickle.dumps(step))(batch, lam)[0], step(batch, lam)[0])


@pytest.mark.parametrize("wrap", [lambda step: step, lambda step: torch.compile(step, backend="aot_eager")])
def test_an_autocast_around_the_step_holds_and_its_loss_and_lambda_stay_whole(wrap):
    """Trainers enter mixed precision so: switched off inside, they would train in float32 and say bfloat16."""
    torch._dynamo.reset()
    inside = []

    def looking(net, batch, at):
        inside.append((net(batch).dtype, at.dtype))
        return terms(net, batch, at)

    step = wrap(LossStep(condition(nn.Linear(3, 2), SPACE), looking, Objective(SPACE)))
    with torch.autocast("cpu", torch.bfloat16):
        loss, found = step(torch.rand(4, 3), SPACE.sample(4))
    assert set(inside) == {(torch.bfloat16, torch.float32)}
    assert {loss.dtype, *(value.dtype for value in found.values())} == {torch.float32}


def test_an_objective_of_other_columns_than_the_networks_is_refused():
    """Its weights would be those of other terms than the network is told."""
    swapped = LossSpace(size=LogUniform(0.1, 10.0), fit=1.0)
    with pytest.raises(YotoError, match=r"columns fit, size. Found size, fit\."):
        LossStep(condition(nn.Linear(3, 2), SPACE), terms, Objective(swapped))


def test_a_wrapped_network_is_refused_with_the_way_to_wrap_the_step():
    model = torch.compile(condition(nn.Linear(3, 2), SPACE), backend="eager")
    with pytest.raises(YotoError, match=r"Found it inside OptimizedModule"):
        LossStep(model, terms, Objective(SPACE))


def test_what_takes_a_model_takes_its_step():
    model = condition(nn.Linear(3, 2), SPACE)
    step, batch = LossStep(model, terms, Objective(SPACE)), torch.rand(8, 3)
    assert sweep(step, batch, terms, SPACE.grid(3)).terms == sweep(model, batch, terms, SPACE.grid(3)).terms


def test_a_saved_step_loads_as_its_network(tmp_path):
    step = LossStep(condition(nn.Linear(3, 2), SPACE), terms, Objective(SPACE))
    save(step, tmp_path / "model.safetensors")
    again, batch = load(tmp_path / "model.safetensors", net=nn.Linear(3, 2)).model, torch.rand(4, 3)
    assert torch.equal(again(batch, size=2.0), step.model.eval()(batch, size=2.0))
