from __future__ import annotations

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.curves import TradeoffCurve, sweep
from yoto.data import ArrayData
from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.space import Choice, LogUniform, LossSpace

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))
DATA = ArrayData(torch.rand(50, 3, generator=torch.Generator().manual_seed(1)))


class Net(nn.Module):
    """Dropout and noise, so that mode and random numbers show."""

    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.drop(self.first(x))) + 0.1 * torch.randn_like(x)


class Toy:
    def __init__(self):
        self.shapes = set()
        self.units = {"fit": "squared units", "loss": "squared units"}
        self.symbols = {"size": "β"}

    def network(self):
        return Net()

    def terms(self, net, batch, at):
        self.shapes.add(tuple(at.shape))
        out = net(batch)
        return {"fit": (out - batch).square().sum(1), "size": out.square().sum(1)}

    def metrics(self, net, batch, at):
        return {"mean": net(batch).mean(1)}

    def data(self, split):
        return DATA

    def picture(self, net, at, *, seed):
        return None


def conditional():
    torch.manual_seed(3)
    model = condition(Net(), SPACE, hidden=(8,))
    for parameter in model.film.parameters():
        nn.init.normal_(parameter)
    return model


def test_means_and_errors_are_those_of_every_example():
    model, task, point = conditional().eval(), Toy(), SPACE.point(size=2.0)
    found = sweep(model, DATA, task, point[None], batch=50)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(noise(0, 0))
        terms = task.terms(model.at(point), DATA.images, point)
    loss = SPACE.combine(terms, point).double()
    for name, values in terms.items():
        assert found.terms[name][0] == pytest.approx(float(values.double().mean()), rel=1e-9)
    assert found.loss[0] == pytest.approx(float(loss.mean()), rel=1e-9)
    assert found.errors["loss"][0] == pytest.approx(float(loss.std() / 50**0.5), rel=1e-9)
    assert set(found.errors) == {"fit", "size", "mean", "loss"}
    assert found.points == ({"size": 2.0},)
    assert found.weights[0]["fit"] == 1.0
    assert found.info["n"] == 50
    assert found.info["units"]["fit"] == "squared units"
    assert found.info["symbols"] == {"size": "β"}


def noise(seed, number):
    from yoto.support.seeds import noise_seed

    return noise_seed(seed, number)


def test_the_weighted_sum_of_the_means_is_the_mean_loss():
    found = sweep(conditional(), DATA, Toy(), SPACE.grid(5), batch=7)
    for index, weights in enumerate(found.weights):
        assert found.loss[index] == pytest.approx(sum(weights[n] * found.terms[n][index] for n in found.terms))


def test_every_point_has_the_same_random_numbers_whatever_else_is_swept():
    model = conditional()
    together = sweep(model, DATA, Toy(), SPACE.grid(3), batch=20)
    alone = sweep(model, DATA, Toy(), SPACE.grid(3)[2:], batch=20)
    assert alone.loss[0] == together.loss[2]
    assert sweep(model, DATA, Toy(), SPACE.grid(3), batch=20, seed=1).loss != together.loss


def test_a_baked_model_gives_the_curve_of_the_conditional_one():
    model = conditional()
    point = SPACE.point(size=0.5)
    baked = sweep(model.bake(size=0.5), DATA, Toy(), point[None], space=SPACE)
    assert baked.loss == pytest.approx(sweep(model, DATA, Toy(), point[None]).loss, rel=1e-5)


def test_modes_and_the_global_random_state_come_back():
    model = conditional().train()
    model.plain.drop.eval()
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    sweep(model, DATA, Toy(), SPACE.grid(2))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)


def test_modes_come_back_after_an_error():
    class Broken(Toy):
        def terms(self, net, batch, at):
            raise RuntimeError("broken")

    model = conditional().train()
    with pytest.raises(RuntimeError, match="broken"):
        sweep(model, DATA, Broken(), SPACE.grid(2))
    assert all(module.training for module in model.modules())


def test_the_model_is_bound_once_per_point(monkeypatch):
    model = conditional()
    calls = []
    monkeypatch.setattr(type(model), "at", lambda self, lam, **_: calls.append(tuple(lam.shape)) or self.plain)
    task = Toy()
    sweep(model, DATA, task, SPACE.grid(3), batch=10)
    assert calls == [(2,)] * 3
    assert task.shapes == {(10, 2)}


def test_limit_takes_the_first_examples():
    limited = sweep(conditional(), DATA, Toy(), SPACE.grid(2), limit=20, batch=10)
    assert limited.loss == sweep(conditional(), ArrayData(DATA.images[:20]), Toy(), SPACE.grid(2), batch=10).loss
    assert limited.info["n"] == 20


def test_metrics_can_be_left_out_and_progress_is_told():
    seen = []
    found = sweep(conditional(), DATA, Toy(), SPACE.grid(2), batch=20, metrics={}, progress=lambda *at: seen.append(at))
    assert found.metrics == {}
    assert seen == [(20, 50), (40, 50), (50, 50)]


def test_an_objective_of_ones_own():
    objective = Objective(SPACE, loss=lambda terms, parameters: terms["fit"] * parameters["size"])
    found = sweep(conditional(), DATA, Toy(), SPACE.grid(3), objective=objective)
    for index, point in enumerate(found.points):
        assert found.loss[index] == pytest.approx(found.terms["fit"][index] * point["size"], rel=1e-5)


def test_terms_reduced_over_the_batch_have_no_error():
    class Reduced(Toy):
        def terms(self, net, batch, at):
            return {name: value.mean() for name, value in super().terms(net, batch, at).items()}

    objective = Objective(SPACE, per_batch=True)
    found = sweep(conditional(), DATA, Reduced(), SPACE.grid(2), objective=objective, batch=20)
    assert set(found.errors) == {"mean"}
    full = sweep(conditional(), DATA, Toy(), SPACE.grid(2), batch=20)
    assert found.loss == pytest.approx(full.loss, rel=1e-5)


def test_choices_are_named_by_column():
    space = LossSpace(fit=1.0, size=1.0, kind=Choice(["a", "b"]))
    model = condition(Net(), space, hidden=(4,))
    found = sweep(model, DATA, Toy(), space.grid(1))
    assert found.points == ({"kind:a": 1.0, "kind:b": 0.0}, {"kind:a": 0.0, "kind:b": 1.0})
    assert TradeoffCurve.from_dict(found.to_dict()) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": Net()}, "`space` should be given"),
        ({"model": Net(), "space": SPACE}, "one point for a plain network"),
        ({"points": SPACE.grid(2)[0]}, r"shape \[m, 2\]"),
        ({"points": torch.zeros(0, 2)}, r"shape \[m, 2\]"),
        ({"batch": 0}, "at least 1"),
        ({"limit": 0}, "at least 1"),
    ],
    ids=["space", "points", "dimensions", "empty", "batch", "limit"],
)
def test_bad_arguments_are_refused(changes, message):
    arguments = {"model": conditional(), "batches": DATA, "terms": Toy(), "points": SPACE.grid(2), **changes}
    with pytest.raises(YotoError, match=message):
        sweep(**arguments)


def test_a_value_that_is_not_finite_names_term_and_point():
    class Infinite(Toy):
        def terms(self, net, batch, at):
            return super().terms(net, batch, at) | {"size": at[:, 1] / 0}

    with pytest.raises(YotoError, match=r"'size' should be finite.*'size': 0.1"):
        sweep(conditional(), DATA, Infinite(), SPACE.grid(2))


def test_a_term_of_the_wrong_length_is_named():
    class Wrong(Toy):
        def metrics(self, net, batch, at):
            return {"odd": torch.zeros(3)}

    with pytest.raises(YotoError, match="Metric 'odd'"):
        sweep(conditional(), DATA, Wrong(), SPACE.grid(2))
