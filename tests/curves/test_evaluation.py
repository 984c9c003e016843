"""Sweeping over any batches with any function: what a task, a loader and a list have in common."""

from __future__ import annotations

import random
from collections import UserDict, defaultdict

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import yoto
from yoto import LogUniform, LossSpace, Metric, Objective, YotoError, condition, sweep
from yoto.curves.evaluation import Evaluator
from yoto.data import ArrayData

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))
X = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] > 0).long()


def model():
    torch.manual_seed(3)
    made = condition(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), SPACE, hidden=(8,))
    for parameter in made.film.parameters():
        nn.init.normal_(parameter)
    return made


def terms(net, batch):
    x, y = batch
    out = net(x)
    return {"fit": nn.functional.cross_entropy(out, y, reduction="none"), "size": out.square().sum(1)}


def of_x(net, x):
    out = net(x)
    return {"fit": out.abs().sum(1), "size": out.square().sum(1)}


class WithTerms:
    def terms(self, net, batch, at):
        return of_x(net, batch)


def loader(**options):
    return DataLoader(TensorDataset(X, Y), batch_size=7, **options)


def reference(points):
    """Means over all samples at once, in float64."""
    net = model().double().eval()
    found = []
    for lam in points:
        with torch.no_grad():
            each = terms(net.at(lam.double()), (X.double(), Y))
        found.append({name: float(value.mean()) for name, value in each.items()})
    return found


@pytest.mark.parametrize(
    "batches",
    [loader(), loader(shuffle=True), [(X[:13], Y[:13]), (X[13:], Y[13:])], [[X, Y]]],
    ids=["loader", "shuffled", "list", "one"],
)
def test_any_batches_give_the_means_over_all_samples(batches):
    points = SPACE.grid(3)
    curve = sweep(model(), batches, terms, points)
    for index, expected in enumerate(reference(points)):
        for name, value in expected.items():
            assert curve.terms[name][index] == pytest.approx(value, rel=1e-5)
        assert curve.loss[index] == pytest.approx(
            expected["fit"] + float(points[index, 1]) * expected["size"], rel=1e-5
        )
    assert curve.info["n"] == 30
    assert set(curve.errors) == {"fit", "size", "loss"}


def test_a_task_an_array_and_a_tensor_are_the_same_examples():
    one = sweep(model(), X, of_x, SPACE.grid(2), batch=10)
    assert one == sweep(model(), ArrayData(X), WithTerms(), SPACE.grid(2), batch=10)
    assert one.terms == sweep(model(), list(X.split(10)), of_x, SPACE.grid(2)).terms


def test_mappings_of_tensors_are_batches_too():
    batches = [{"x": X[:20], "label": "any"}, {"x": X[20:], "label": "thing"}]
    found = sweep(model(), batches, lambda net, batch: of_x(net, batch["x"]), SPACE.grid(2))
    assert found.terms == sweep(model(), [X[:20], X[20:]], of_x, SPACE.grid(2)).terms


def test_the_default_points_are_a_grid_and_names_are_understood():
    assert len(sweep(model(), [X], of_x)) == 13
    named = sweep(model(), [X], of_x, [{"size": 0.5}, {"size": 2.0}])
    assert named == sweep(model(), [X], of_x, torch.stack([SPACE.point(size=0.5), SPACE.point(size=2.0)]))


def test_lambda_reaches_a_function_of_three_arguments_a_row_per_sample():
    seen = []

    def with_at(net, batch, at):
        seen.append(tuple(at.shape))
        return of_x(net, batch)

    sweep(model(), [X[:20], X[20:]], with_at, SPACE.grid(2))
    assert seen == [(20, 2), (20, 2), (10, 2), (10, 2)]


def test_the_data_is_passed_over_once_for_all_lambda():
    passes = []

    class Counted(list):
        def __iter__(self):
            passes.append(1)
            return super().__iter__()

    sweep(model(), Counted([X]), of_x, SPACE.grid(9))
    assert len(passes) == 1


def test_what_was_measured_is_remembered():
    evaluator = Evaluator(model(), [X], of_x)
    first = evaluator(SPACE.grid(3))
    again = evaluator(SPACE.grid(5))
    assert (evaluator.evaluations, evaluator.passes) == (5, 2)
    assert again[0] is first[0]
    assert again[0].point == {"size": 0.1}


def test_a_shuffled_loader_gives_the_same_order_in_every_pass():
    evaluator = Evaluator(model(), loader(shuffle=True), terms, limit=10)
    one, other = (evaluator(SPACE.grid(1)), evaluator(SPACE.grid(1) * torch.tensor([1.0, 1.0001])))
    assert one[0].n == 10
    assert other[0].terms["fit"] == pytest.approx(one[0].terms["fit"], rel=1e-2)
    state = torch.get_rng_state()
    sweep(model(), loader(shuffle=True), terms, SPACE.grid(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_limit_cuts_the_last_batch():
    found = sweep(model(), loader(), terms, SPACE.grid(2), limit=10)
    assert found.info["n"] == 10
    assert found.loss == pytest.approx(sweep(model(), [(X[:10], Y[:10])], terms, SPACE.grid(2)).loss, rel=1e-6)


def accuracy(net, batch):
    return (net(batch[0]).argmax(1) == batch[1]).float()


def gap(outputs, targets):
    """A number that no mean over samples gives: between the mean outputs of the two classes."""
    return float(outputs[targets == 1, 1].mean() - outputs[targets == 0, 1].mean())


def test_metrics_per_sample_and_of_the_whole_set():
    metrics = {"accuracy": Metric(accuracy, better="higher"), "gap": Metric(gap, better="lower", whole=True)}
    found = sweep(model(), loader(), terms, SPACE.grid(2), metrics=metrics)
    for index, lam in enumerate(SPACE.grid(2)):
        with torch.no_grad():
            outputs = model().eval().at(lam)(X)
        assert found.metrics["gap"][index] == pytest.approx(gap(outputs, Y), rel=1e-5)
        assert found.metrics["accuracy"][index] == pytest.approx(float((outputs.argmax(1) == Y).float().mean()))
    assert found.better == {"accuracy": "higher", "gap": "lower"}
    assert set(found.errors) == {"fit", "size", "loss", "accuracy"}
    assert yoto.TradeoffCurve.from_dict(found.to_dict()) == found


def test_outputs_of_ones_own_are_collected():
    def outputs(net, batch):
        return net(batch[0])[:, 0]

    metrics = {"median": Metric(lambda out: float(out.median()), better="lower", whole=True, outputs=outputs)}
    found = sweep(model(), loader(), terms, SPACE.grid(1), metrics=metrics)
    with torch.no_grad():
        expected = float(model().eval().at(SPACE.grid(1)[0])(X)[:, 0].median())
    assert found.metrics["median"][0] == pytest.approx(expected, rel=1e-5)


def test_the_score_is_the_mean_of_the_balanced_loss():
    objective = Objective(SPACE)
    found = sweep(model(), [X], of_x, SPACE.grid(5), objective=objective)
    balanced = [loss / float(objective.divisor(lam)) for loss, lam in zip(found.loss, SPACE.grid(5), strict=True)]
    assert found.score() == pytest.approx(sum(balanced) / 5)
    assert sweep(model(), [X], of_x, SPACE.grid(5)).score() == found.score()
    plain = sweep(model(), [X], of_x, SPACE.grid(5), objective=Objective(SPACE, balance=None))
    assert plain.score() == pytest.approx(sum(plain.loss) / 5)


def test_a_bundle_brings_its_objective(tmp_path):
    net = model()
    objective = Objective(SPACE, scalarisation="chebyshev")
    yoto.save(net, tmp_path / "model.safetensors", objective=objective)
    loaded = yoto.load(tmp_path / "model.safetensors", net=model().plain)
    found = sweep(loaded, [X], of_x, SPACE.grid(3))
    assert found.loss == sweep(net, [X], of_x, SPACE.grid(3), objective=objective).loss
    assert found.loss != sweep(net, [X], of_x, SPACE.grid(3)).loss
    yoto.save(net, tmp_path / "own.safetensors", objective=Objective(SPACE, scalarisation=lambda a, b: a.sum(1)))
    with pytest.raises(YotoError, match="objective="):
        sweep(yoto.load(tmp_path / "own.safetensors", net=model().plain), [X], of_x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": [1, 2]}, "`terms` should be a function"),
        ({"terms": lambda x: x}, r"`terms` should take \(net, batch\)"),
        ({"terms": lambda net, batch: [net(batch).sum(1)]}, "tensors by name.*Found a list"),
        ({"terms": lambda net, batch: None}, "Found NoneType"),
        ({"terms": lambda net, batch: {"fit": 1.0, "size": 2.0}}, "'fit' should be a tensor"),
        ({"terms": lambda net, batch: {n: t.mean() for n, t in of_x(net, batch).items()}}, "per_batch=True"),
        ({"terms": lambda net, batch: {"fit": net(batch).sum(1)}}, "should include size"),
        ({"batches": []}, "at least one batch"),
        ({"batches": iter([])}, "at least one batch"),
        ({"batches": DataLoader(TensorDataset(X[:0], Y[:0]))}, "at least one example"),
        ({"batches": WithTerms(), "terms": X}, "`batches` should be a DataLoader"),
        ({"batches": "test"}, "Found str"),
        ({"batches": [X], "batch": 10}, "`batch` should be left out"),
        ({"metrics": {"accuracy": accuracy}}, "should be a yoto.Metric"),
        ({"metrics": [accuracy]}, "`metrics` should map names"),
        ({"objective": "chebyshev"}, "`objective` should be a yoto.Objective"),
        ({"model": lambda x: x}, "`model` should be a network"),
        ({"points": {"size": 1.0}}, "Found one mapping"),
        ({"points": 1.0}, r"shape \[m, 2\].*Found float"),
        ({"points": [{"sise": 1.0}]}, "Did you mean 'size'"),
        ({"points": torch.tensor([[1.0, 2.0], [1.0, float("nan")]])}, r"finite numbers. Found \[1\.0, nan\]"),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_line(changes, message):
    arguments = {"model": model(), "batches": [X], "terms": of_x, **changes}
    with pytest.raises(YotoError, match=message) as caught:
        sweep(**arguments)
    assert "\n" not in str(caught.value)


def test_an_iterator_is_refused_the_second_time():
    evaluator = Evaluator(model(), iter([X]), of_x)
    evaluator(SPACE.grid(1))
    with pytest.raises(YotoError, match="at its end after one pass"):
        evaluator(SPACE.grid(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": 3, "better": "lower"}, "should be a function"),
        ({"function": accuracy, "better": "up"}, "'lower' or 'higher'"),
        ({"function": accuracy, "better": "lower", "outputs": accuracy}, "whole=True only"),
    ],
)
def test_metrics_that_are_none(arguments, message):
    with pytest.raises(YotoError, match=message):
        Metric(**arguments)


def test_a_whole_metric_of_batches_without_targets_asks_for_outputs():
    metrics = {"gap": Metric(gap, better="lower", whole=True)}
    with pytest.raises(YotoError, match="outputs="):
        sweep(model(), [{"x": X}], lambda net, batch: of_x(net, batch["x"]), SPACE.grid(1), metrics=metrics)


def test_a_wrapped_model_is_measured_as_what_it_wraps(tmp_path):
    compiled = torch.compile(model(), backend="eager")
    assert sweep(compiled, [X], of_x, SPACE.grid(2)) == sweep(model(), [X], of_x, SPACE.grid(2))
    yoto.save(compiled, tmp_path / "model.safetensors")
    assert yoto.load(tmp_path / "model.safetensors", net=model().plain).space == SPACE


def test_a_loaders_own_generator_is_left_where_it_was():
    order = torch.Generator().manual_seed(4)
    own = loader(shuffle=True, generator=order)
    before = order.get_state()
    evaluator = Evaluator(model(), own, terms, limit=10)
    first, second = (evaluator(SPACE.point(size=size)[None])[0] for size in (1.0, 1.0001))
    assert torch.equal(order.get_state(), before)
    assert second.terms["fit"] == pytest.approx(first.terms["fit"], rel=1e-2)  # the same ten samples


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (lambda y: (y > 0).float().mean(), r"shape \[\]"),
        (lambda y: (y > 0).float().mean(0, keepdim=True), r"shape \[1\]"),
        (lambda y: torch.stack([y, y]), r"shape \[2, 7\]"),
        (lambda _: 0.5, "float"),
    ],
)
def test_a_metric_that_is_no_number_per_sample_is_refused(value, found):
    metrics = {"accuracy": Metric(lambda net, batch: value(batch[1]), better="higher")}
    with pytest.raises(YotoError, match=rf"'accuracy' should hold one number per sample, shape \[7\]. Found {found}"):
        sweep(model(), loader(), terms, SPACE.grid(2), metrics=metrics)


class Misspelt(WithTerms):
    def __init__(self):
        self.better = {"error": "loewr"}


@pytest.mark.parametrize("metrics", [None, {}])
def test_a_direction_of_a_task_that_is_none_is_refused_before_anything_is_measured(metrics):
    with pytest.raises(YotoError, match="`better` of 'error' .* Found 'loewr'. Did you mean 'lower'"):
        sweep(model(), [X], Misspelt(), SPACE.grid(2), metrics=metrics)


class InPlace(nn.Sequential):
    """Normalises its inputs where they are."""

    def forward(self, x):
        return super().forward(x.sub_(1.0).div_(2.0))


@pytest.mark.parametrize("given", [X.clone, lambda: [X.clone()], lambda: DataLoader(X, 7)], ids=["x", "list", "loader"])
def test_every_point_sees_the_inputs_as_they_were(given):
    net = condition(InPlace(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), SPACE, multiplier=1.0)
    metric = Metric(lambda net, x: net(x).abs().sum(1), better="lower")
    outer = Metric(lambda outputs, x: float(outputs.abs().sum(1).mean()), better="lower", whole=True)
    batches, points = given(), SPACE.grid(3)
    curve = sweep(net, batches, of_x, points, metrics={"again": metric, "whole": outer})
    each = [of_x(net.bake(lam), x=X.clone())["fit"].mean().item() for lam in points]
    assert curve.terms["fit"] == pytest.approx(each)
    assert curve.metrics["again"] == pytest.approx(each)
    assert curve.metrics["whole"] == pytest.approx(each)
    found = yoto.select(net, batches, of_x, minimise="fit", subject_to=["size <= 1e9"])
    assert found.values["fit"] == pytest.approx(of_x(net.bake(found.point), X.clone())["fit"].mean().item())


class Named(UserDict):
    """A mapping with attributes, as transformers' BatchEncoding."""

    def __getattr__(self, name):
        if name == "data":
            raise AttributeError(name)
        return self.data[name]


def test_mappings_keep_their_class():
    curve = sweep(model(), [Named(x=X, y=Y)], lambda net, batch: terms(net, (batch.x, batch.y)), SPACE.grid(3))
    assert curve == sweep(model(), [(X, Y)], terms, SPACE.grid(3))
    other = sweep(model(), [defaultdict(list, x=X, y=Y)], lambda n, b: terms(n, (b["x"], b["y"])), SPACE.grid(3))
    assert other == curve


def test_random_numbers_of_python_and_numpy_are_the_same_at_every_point():
    def noisy(net, x):
        return of_x(net, x + random.random() + float(np.random.rand()))  # noqa: NPY002

    net = condition(nn.Linear(4, 2), SPACE, start="plain")  # the same at every λ
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    curve = sweep(net, X, noisy, SPACE.grid(3))
    assert len(set(curve.terms["fit"])) == 1
    assert sweep(net, X, noisy, SPACE.grid(3)) == curve
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002


def test_errors_of_a_small_spread_about_a_large_mean():
    """Energies, say: the squares of the values have no digits left for the variance."""
    wide = torch.cat([torch.zeros(0), X[:, 0]]).double()
    found = Evaluator(model().double(), [wide[:9], wide[9:9], wide[9:]], lambda net, x: {"fit": 1e9 + x, "size": x})(
        SPACE.grid(1)
    )[0]
    assert found.errors["fit"] == pytest.approx(float(wide.std()) / 30**0.5, rel=1e-6)
    assert found.errors["size"] == pytest.approx(float(wide.std()) / 30**0.5, rel=1e-12)


def test_no_term_has_the_name_of_the_whole_loss():
    with pytest.raises(YotoError, match="'loss' should not name a weighted term"):
        LossSpace(loss=1.0, size=LogUniform(0.1, 10.0))
    objective = Objective(SPACE, loss=lambda terms, parameters: terms["loss"] * parameters["size"])
    with pytest.raises(YotoError, match="Found 'loss', which the whole loss has"):
        sweep(model(), X, lambda net, x: {"loss": net(x).square().mean(1)}, objective=objective)
