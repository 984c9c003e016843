"""`select` on models: against brute force, and what it refuses."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from curves.selection.models import MIX, SPACE, THREE, data, only, terms, trained
from yoto import LogUniform, LossSpace, Metric, Objective, TradeoffCurve, condition, load, save, select, sweep
from yoto.errors import YotoError

PAIR = only("fit", "size")
NEAR = Metric(lambda net, batch: ((net(batch) - batch).abs() < 0.5).float().mean(1), better="higher")


NEAN = Metric(lambda net, batch: net(batch).sum(1) * float("nan"), better="higher")
WORD = Metric(lambda net, batch: "much", better="higher")
OTHER = TradeoffCurve(
    points=[{"size": 1.0, "tilt": 1.0}],
    weights=[{"fit": 1.0, "size": 1.0, "tilt": 1.0}],
    terms={"fit": [1.0], "size": [1.0], "tilt": [1.0]},
    loss=[3.0],
)


@pytest.fixture(scope="module")
def model():
    return trained(SPACE)


@pytest.fixture(scope="module")
def curve(model):
    return sweep(model, data(), PAIR, SPACE.grid(13))


def test_a_bound_is_met_at_the_best_of_200_points(model, curve):
    found = select(model, data(), PAIR, minimise="fit", subject_to=["size <= 1.5"], curve=curve)
    brute = sweep(model, data(), PAIR, SPACE.grid(200)).best(minimise="fit", subject_to=["size <= 1.5"])
    assert found.feasible
    assert found.values["size"] <= 1.5
    assert found.values["fit"] <= 1.005 * brute.values["fit"]
    assert found.evaluations <= 10
    assert found.passes <= found.evaluations
    (again,) = sweep(model, data(), PAIR, [found.point]).terms["fit"]
    assert again == pytest.approx(found.values["fit"], rel=1e-6)


def test_the_plain_network_is_baked_at_the_point_when_it_is_asked_for(model, curve):
    found = select(model, data(), PAIR, minimise="fit", subject_to=["size <= 1.5"], curve=curve)
    assert type(found.plain) is nn.Sequential
    assert found.plain is found.plain
    x = data(5)
    torch.testing.assert_close(found.plain(x), model(x, at=found.point))


def test_confidence_keeps_a_distance_of_standard_errors(model, curve):
    asked = {"minimise": "fit", "subject_to": ["size <= 1.5"], "curve": curve}
    plain, sure = (select(model, data(), PAIR, **asked, confidence=c) for c in (None, 0.95))
    assert 0 <= plain.margins["size <= 1.5"] < 0.1
    assert sure.margins["size <= 1.5"] == pytest.approx(1.651, abs=0.05)  # Student's, 255 degrees of freedom


def test_batches_of_one_sample_have_errors_all_together(model, curve):
    loader = DataLoader(data(60), batch_size=1)
    found = select(model, loader, PAIR, minimise="fit", subject_to=["size <= 1.5"], curve=curve, confidence=0.9)
    assert found.margins["size <= 1.5"] >= 1.29  # Student's, 59 degrees of freedom


def test_what_cannot_be_met_names_the_nearest(model, curve):
    found = select(model, data(), PAIR, minimise="fit", subject_to=["size <= 0.001"], curve=curve)
    assert not found.feasible
    assert found.point == {"size": 10.0}
    assert found.misses["size <= 0.001"] == pytest.approx(found.values["size"] - 0.001)
    assert "cannot be met: nearest is size = 10, where 'size <= 0.001' is missed by" in str(found)


def test_metrics_that_cannot_be_derived_serve_as_bounds(model):
    asked = {"minimise": "size", "subject_to": ["near >= 0.6"]}
    found = select(model, data(), PAIR, metrics={"near": NEAR}, **asked)
    brute = sweep(model, data(), PAIR, SPACE.grid(200), metrics={"near": NEAR}).best(**asked)
    assert found.feasible
    assert found.values["size"] <= 1.01 * brute.values["size"]  # a share of samples moves in steps


@pytest.mark.parametrize("method", ["auto", "derivative-free"])
@pytest.mark.parametrize(
    ("space", "names", "subject_to"),
    [
        (THREE, ("fit", "size", "bend", "tilt"), ["size <= 3", "tilt <= 2.5"]),
        (MIX, ("fit", "size", "tilt"), "size <= 2"),
    ],
    ids=["three weights", "simplex"],
)
def test_several_parameters_against_brute_force(space, names, subject_to, method):
    model, x = trained(space), data(128)
    found = select(model, x, only(*names), minimise="fit", subject_to=subject_to, method=method)
    lams = space.sample(1000, generator=torch.Generator().manual_seed(3), method="sobol")
    brute = sweep(model, x, only(*names), lams).best(minimise="fit", subject_to=subject_to)
    assert found.feasible
    assert found.values["fit"] <= 1.02 * brute.values["fit"]
    assert found.evaluations <= 100


def test_a_loader_that_shuffles_and_a_part_of_many_samples():
    """1,200 samples: the search runs on the first 512, the answer is of all."""
    x = data(1200)
    loader = DataLoader([{"x": row} for row in x], batch_size=256, shuffle=True)

    def of_mappings(net, batch):
        return only("fit", "size", "tilt")(net, batch["x"])

    found = select(trained(MIX), loader, of_mappings, minimise="fit", subject_to=["size <= 2"])
    (size,) = sweep(trained(MIX), x, only("fit", "size", "tilt"), [found.point]).terms["size"]
    assert found.feasible
    assert size <= 2.0001
    assert size > 1.95
    assert found.passes < 0.7 * found.evaluations


def test_held_parameters_stay(model):
    found = select(
        trained(THREE), data(64), terms, minimise="fit", subject_to="size <= 3", at={"bend": 1.0, "tilt": 0.5}
    )
    assert found.point["bend"] == 1.0
    assert found.point["tilt"] == 0.5
    assert found.feasible


def test_a_bundle_brings_its_curve(model, curve, tmp_path):
    save(model, tmp_path / "model.safetensors", curve=curve.to_dict())
    bundle = load(tmp_path / "model.safetensors", net=nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4)))
    found = select(bundle, data(), PAIR, minimise="fit", subject_to=["size <= 1.5"])
    assert found.evaluations <= 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minimise": "fitt"}, "`minimise` should name one of loss, fit, size. Found 'fitt'. Did you mean 'fit'"),
        ({"subject_to": ["sise <= 3"]}, "`subject_to` should name one of .* Did you mean 'size'"),
        ({"subject_to": ["size <= 1", "size >= 2"]}, "leave room for a value"),
        ({"subject_to": ["size"]}, "A bound should be"),
        ({"maximise": "fit"}, "Found 'fit' and 'fit'"),
        ({"minimise": 3}, "`minimise` should be the name of a term"),
        ({"minimise": None}, "should be given. Found neither"),
        ({"subject_to": 3}, "Bounds should be a list of texts"),
        ({"subject_to": None}, "Bounds should be a list of texts"),
        ({"evaluations": 0}, "`evaluations` should be a whole number"),
        ({"evaluations": 2.5}, "`evaluations` should be a whole number"),
        ({"seconds": -1.0}, "`seconds` should be above 0"),
        ({"seconds": float("inf")}, "`seconds` should be a finite number"),
        ({"seconds": "1"}, "`seconds` should be a number"),
        ({"method": "newton", "evaluations": 3}, "`method` should be one of"),
        ({"confidence": 1.0}, "`confidence` should lie between"),
        ({"confidence": "0.9"}, "`confidence` should lie between"),
        ({"at": {"size": 1.0}}, "needs a free parameter"),
        ({"at": "size=1"}, "`at` should be values by name"),
        ({"curve": "curve.json"}, "`curve` should be what `sweep` gave"),
        ({"curve": OTHER}, "`curve` should be of the model's loss space, columns fit, size. Found fit, size, tilt"),
        ({"objective": Objective(THREE)}, "`objective` should be of the model's loss space"),
        ({"limit": 1.5}, "`limit` should be a whole number"),
        ({"batch": "8"}, "`batch` should be a whole number"),
        ({"metrics": {"fit": NEAR}}, "a name of its own. Found 'fit'"),
        ({"metrics": {"near": NEAN}, "subject_to": "near >= 1"}, "'near' should be finite. Found NaN"),
        ({"metrics": {"near": WORD}}, "Metric 'near' should hold one number per sample"),
    ],
)
def test_requests_that_make_no_sense_are_refused(model, changes, message):
    with pytest.raises(YotoError, match=message) as caught:
        select(model, data(16), PAIR, **{"minimise": "fit", **changes})
    assert "\n" not in str(caught.value)


def nan(net, batch):
    return {**PAIR(net, batch), "fit": net(batch).sum(1) * float("nan")}


def reduced(net, batch):
    return {name: term.mean() for name, term in PAIR(net, batch).items()}


class Ending:
    """Batches that can be passed over again, of which there are fewer each time."""

    def __init__(self):
        self.left = 4

    def __iter__(self):
        self.left -= 1
        yield from [data(8)] * self.left


@pytest.mark.parametrize(
    ("batches", "function", "message"),
    [
        ([], PAIR, "at least one batch. Found none"),
        (DataLoader(torch.zeros(0, 4)), PAIR, "at least one example"),
        (iter([data(8)]), PAIR, "passed over again"),
        (Ending(), PAIR, "Found 24 in the first and 16 in a later one: a loader that ends early"),
        (data(16), nan, "'fit' should be finite. Found NaN"),
        (data(16), reduced, "one number per sample, shape \\[B\\]"),
        (data(16), 3, "`terms` should be a function"),
    ],
    ids=["no batch", "empty loader", "loader that ends", "ends early", "NaN", "reduced terms", "no function"],
)
def test_data_and_terms_that_will_not_do_are_refused(model, batches, function, message):
    with pytest.raises(YotoError, match=message) as caught:
        select(model, batches, function, minimise="fit", subject_to=["size <= 1.5"])
    assert "\n" not in str(caught.value)


def test_models_without_a_choice_are_refused(model):
    with pytest.raises(YotoError, match="should be a conditional network"):
        select(model.bake(size=1.0), data(16), PAIR, minimise="fit")


def test_reduced_terms_have_no_errors_to_be_confident_of():
    space = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))
    model = condition(nn.Linear(4, 4), space)
    objective = Objective(space, per_batch=True)
    asked = {"minimise": "fit", "subject_to": ["size <= 100"], "objective": objective}
    assert select(model, data(16), reduced, **asked).feasible
    with pytest.raises(YotoError, match="needs the standard error of 'size'"):
        select(model, data(16), reduced, **asked, confidence=0.9)


def test_limits_are_kept(model):
    found = select(model, data(), PAIR, minimise="fit", subject_to=["size <= 1.5"], evaluations=3)
    assert found.evaluations == 3
    assert found.limited == "evaluations"
    found = select(trained(THREE), data(), terms, minimise="fit", subject_to=["size <= 3"], seconds=0.05)
    assert found.limited == "seconds"


def test_data_that_are_sorted_are_searched_all_over():
    """In the first quarter one bounded term hardly is."""
    torch.manual_seed(0)
    space = LossSpace(a=1.0, b=LogUniform(0.01, 100.0), c=LogUniform(0.01, 100.0))
    model = condition(nn.Linear(2, 2), space)
    kind = torch.cat([torch.zeros(512), torch.ones(1488)])

    def terms(net, x, at):
        b, c = at[..., 1].log(), at[..., 2].log()
        rest = torch.sigmoid(-(0.7 * c - 0.1 * b)) * (0.2 + 2 * x[:, 0])
        return {
            "a": torch.sigmoid(0.5 * (b + c)).expand(len(x)),
            "b": 2 * torch.sigmoid(-(0.8 * b - 0.2 * c)) * x[:, 0],
            "c": rest.expand(len(x)),
        }

    data = torch.stack([kind, torch.zeros(2000)], 1)
    for batches in (data.split(100), DataLoader(data, batch_size=100)):
        found = select(model, batches, terms, minimise="a", subject_to=["b <= 0.3", "c <= 0.3"])
        assert found.feasible
        assert found.values["a"] < 0.925


def test_a_miss_with_confidence_says_so_and_an_array_is_refused():
    model = condition(nn.Linear(2, 2), SPACE)
    lists = [torch.rand(20, 2)]

    def values(net, x, at):
        return dict.fromkeys(SPACE.names, x[:, 0])

    name = SPACE.names[0]
    found = select(model, lists, values, minimise="loss", subject_to=[f"{name} <= 0"], confidence=0.99)
    assert "with 99 % confidence" in str(found)
    with pytest.raises(YotoError, match="torch.from_numpy"):
        select(model, torch.rand(20, 2).numpy(), values, minimise="loss")
