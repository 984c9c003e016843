"""Baking, then training at one λ alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from training import toy
from yoto import LogUniform, LossSpace, Objective, condition, polish
from yoto.build import build_model, build_task
from yoto.errors import YotoError
from yoto.training.by_recipe import polish_by_recipe, polishing_recipe
from yoto.training.polishing import peak

SPACE = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
X = torch.randn(256, 3, generator=torch.Generator().manual_seed(0))
EXACT = {"lr": 0.03, "steps": 300}


def terms(net, batch):
    """The best output at λ is 1 / (1 + size), whatever goes in."""
    y = net(batch)
    return {"fit": (y - 1).square().mean(1), "size": y.square().mean(1)}


def linear():
    return condition(nn.Linear(3, 2), SPACE)


def loss(net, size, x=X):
    with torch.no_grad():
        return float(SPACE.combine(terms(net, x), SPACE.point(size=size)).mean())


@pytest.mark.parametrize("size", [0.25, 4.0])
def test_the_result_is_the_optimum_at_its_point(size):
    model = linear()
    plain = polish(model, {"size": size}, X, terms, **EXACT)
    assert type(plain) is nn.Linear
    assert loss(model.bake(size=size), size) > size / (1 + size) + 0.05
    assert loss(plain, size) == pytest.approx(size / (1 + size), rel=1e-3)


def test_the_model_and_random_numbers_are_untouched():
    model = linear()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    polish(model, SPACE.point(size=1.0), X, terms, steps=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_seed_gives_the_same_network_again():
    model = linear()
    loader = DataLoader(
        TensorDataset(X), batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(5), collate_fn=first
    )
    for batches in (X, loader, DataLoader(TensorDataset(X), batch_size=32, shuffle=True, collate_fn=first)):
        one, two = (polish(model, {"size": 1.0}, batches, terms, steps=12).weight for _ in range(2))
        assert torch.equal(one, two)
    other = polish(model, {"size": 1.0}, X, terms, steps=12, seed=1).weight
    assert not torch.equal(other, polish(model, {"size": 1.0}, X, terms, steps=12).weight)


def first(rows):
    return torch.stack([row[0] for row in rows])


def test_batches_are_gone_over_as_often_as_needed():
    seen = []

    def counted(net, batch):
        seen.append(batch)
        return terms(net, batch)

    polish(linear(), {"size": 1.0}, [X[:4], X[4:8], X[8:12]], counted, steps=7)
    assert [int((batch[0] == X).all(1).nonzero()) for batch in seen] == [0, 4, 8, 0, 4, 8, 0]
    assert all(batch.requires_grad is False for batch in seen)


def test_terms_that_take_lam_and_tasks():
    found = []

    def with_lam(net, batch, at):
        found.append(at)
        return terms(net, batch)

    polish(linear(), {"size": 2.0}, X, with_lam, steps=2)
    assert [at.tolist() for at in found] == [[1.0, 2.0]] * 2
    task = toy.Still()
    space = LossSpace(reconstruction=1.0, kl=LogUniform(0.1, 10.0))
    plain = polish(condition(task.network(), space), {"kl": 1.0}, task.data("train"), task, steps=3)
    assert type(plain) is toy.Net


def test_the_objective_decides():
    worst = Objective(SPACE, scalarisation="chebyshev")
    plain = polish(linear(), {"size": 4.0}, X, terms, objective=worst, **EXACT)
    with torch.no_grad():
        found = {name: float(value.mean()) for name, value in terms(plain, X).items()}
    assert found["fit"] == pytest.approx(4 * found["size"], rel=0.1)  # equal where the larger one is smallest


def test_batch_norm_trains_and_the_result_is_for_inference():
    with pytest.warns(UserWarning, match="batch norms"):
        model = condition(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), SPACE).eval()
    plain = polish(model, {"size": 1.0}, X + 5, terms, steps=60)
    assert not any(module.training for module in plain.modules())
    assert int(plain[1].num_batches_tracked) == 60
    inner = plain[0](X + 5)
    assert torch.allclose(plain[1].running_mean, inner.mean(0), atol=0.3)
    assert torch.equal(model.plain[1].running_mean, torch.zeros(4))


def test_an_optimiser_of_ones_own_follows_the_schedule():
    rates = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    done = []
    polish(
        linear(),
        {"size": 1.0},
        X,
        terms,
        steps=20,
        optimiser=lambda net: Watched(net.parameters(), 0.5),
        progress=lambda *now: done.append(now),
    )
    assert rates[:2] == [0.25, 0.5]
    assert rates[-1] == pytest.approx(0.005)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert done == [(number, 20) for number in range(1, 21)]


def test_behind_ones_own_loop_nothing_of_recipes_is_needed():
    code = "import sys, yoto; yoto.polish, yoto.estimate_regret; print([m for m in sys.modules if m in {!r}])"
    refused = ("pydantic", "yaml", "yoto.recipe", "yoto.build", "scipy", "lightning_fabric")
    run = subprocess.run([sys.executable, "-c", code.format(refused)], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_rate_falls_with_the_steps():
    assert peak(0.01, 6400) == peak(0.01, 100_000) == 0.01
    assert peak(0.01, 1600) == 0.005
    assert peak(0.01, 400) == 0.0025


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "`steps` should be a whole number, at least 1. Found 0."),
        ({"steps": True}, "`steps` should be a whole number"),
        ({"batches": []}, "`batches` should give at least one batch."),
        ({"batches": iter([X, X])}, "an iterator, at its end after 2 batches."),
        ({"batches": 3}, "`batches` should be a DataLoader"),
        ({"batches": [X], "batch": 3}, "`batch` should be left out"),
        ({"batch": 0}, "`batch` should be a whole number, at least 1."),
        ({"point": {"siez": 1.0}}, "'siez' is no loss parameter"),
        ({"point": {"size": 40.0}}, "`size` should lie in [0.25, 4]"),
        ({"point": SPACE.sample(4)}, "`point` should be one λ, shape [2]."),
        ({"point": 3.0}, "`point` should be the free parameters by name"),
        ({"model": nn.Linear(3, 2)}, "`model` should be a conditional network"),
        ({"model": condition(nn.Linear(3, 2), SPACE, train="film")}, "Found all frozen, as condition(…, train='film')"),
        ({"terms": lambda net, batch: {"fit": net(batch).mean(1)}}, "size"),
        ({"terms": lambda net, batch: {n: t.mean() for n, t in terms(net, batch).items()}}, "one number per sample"),
        ({"terms": lambda net, batch: {n: t * torch.nan for n, t in terms(net, batch).items()}}, "Found nan at step 1"),
        ({"terms": lambda net, x: {n: t.detach() for n, t in terms(net, x).items()}}, "without a gradient."),
        ({"terms": lambda net, x: terms(nn.Linear(3, 2), x)}, "Found no gradient in any of its parameters."),
        ({"optimiser": lambda net: 3}, "It gave int."),
        ({"optimiser": lambda net: torch.optim.LBFGS(net.parameters())}, "LBFGS, whose step asks for a closure"),
        ({"optimiser": torch.optim.SGD(linear().parameters(), 1.0)}, "for a network, such as"),
        (
            {"optimiser": lambda net: torch.optim.SGD(linear().parameters(), 1.0)},
            "other parameters than that network's",
        ),
        ({"optimiser": lambda net: torch.optim.SGD(net.parameters(), 1.0), "lr": 0.1}, "`lr` should be left out"),
        ({"objective": 3}, "`objective` should be a yoto.Objective"),
        ({"objective": Objective(LossSpace(a=1.0, b=LogUniform(1, 2)))}, "columns fit, size. Found a, b."),
    ],
)
def test_bad_input(changes, message):
    given = {"model": linear(), "point": {"size": 1.0}, "batches": X, "terms": terms, "steps": 3, **changes}
    with pytest.raises(YotoError) as error:
        polish(given.pop("model"), given.pop("point"), given.pop("batches"), given.pop("terms"), **given)
    assert message in str(error.value)


def test_by_recipe_the_loss_at_the_point_falls():
    recipe = toy.recipe(steps=150, warmup=5)
    task = build_task(recipe, toy.Still())
    model = build_model(recipe, task)
    at = model.space.point(kl=5.0)
    data = task.data("train").batch(torch.arange(48))
    objective = Objective(model.space)

    def at_point(net):
        with torch.no_grad():
            return float(objective.loss(task.terms(net, data, at), at).mean())

    own = polishing_recipe(recipe, {"kl": 5.0}, 100, lr=0.01, seed=3)
    plain = polish_by_recipe(model, own, task)
    assert at_point(plain) < 0.8 * at_point(model.bake(at).eval())
    assert torch.equal(plain.code.weight, polish_by_recipe(model, own, task).code.weight)


def test_a_polishing_recipe_is_that_of_the_model_for_one_lam():
    recipe = toy.recipe(lr=0.02, adam_lr=0.004, tilt=[3, -1], ema=0.9, schedule="steps", batch=12)
    own = polishing_recipe(recipe, {"kl": 2.0}, 64)
    assert own.fixed == {"kl": 2.0}
    training = own.training
    assert (training.steps, training.batch, training.schedule, training.tilt, training.ema) == (
        64,
        12,
        "cosine",
        None,
        None,
    )
    assert training.lr == pytest.approx(0.002)
    assert training.adam_lr == pytest.approx(0.0004)
    assert own.seed == recipe.seed
    with pytest.raises(YotoError, match="`steps` should be"):
        polishing_recipe(recipe, {"kl": 2.0}, 0)
