"""A model of one's own loop, without a task or a recipe: what each command does with it."""

import csv
import json
import shlex
import sys

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import yoto
from yoto import LogUniform, LossSpace, Metric, Objective, condition
from yoto.cli.checks import UsageError
from yoto.cli.tasks import check_known

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))
MODULE = """
from torch import nn

class Own(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, signal, scale=1.0):
        return scale * self.body(signal)

def nothing():
    return 3

class Task:
    def network(self):
        return Own()
    def terms(self, net, x, at):
        y = net(x)
        return {"fit": (y - 1).square().sum(1), "size": y.square().sum(1)}
    def metrics(self, net, x, at):
        return {}
    def data(self, split):
        import torch
        from yoto.data import ArrayData
        return ArrayData(torch.ones(6, 3))
"""


def terms(net, x):
    y = net(x)
    return {"fit": (y - 1).square().sum(1), "size": y.square().sum(1)}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Saves a model with what is asked for, and returns its name in the present folder."""
    (tmp_path / "their_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    from their_module import Own

    monkeypatch.delitem(sys.modules, "their_module")
    torch.manual_seed(0)
    model = condition(Own(), SPACE, hidden=(4,))
    metrics = {"mean": Metric(lambda net, x: net(x).mean(1), better="higher")}
    curve = yoto.sweep(model, torch.randn(40, 3), terms, SPACE.grid(5), metrics=metrics)

    def save(with_curve=True, example=None):
        yoto.save(
            model,
            tmp_path / "own.safetensors",
            curve=curve if with_curve else None,
            objective=Objective(SPACE, scalarisation="chebyshev"),
            example=example,
        )
        return model, curve

    return save


def yoto_sweep(model, point):
    """The fit at a point, of the task's data."""
    return yoto.sweep(model, torch.ones(6, 3), terms, [point]).terms["fit"]


def test_everything_given_comes_back(own, tmp_path):
    x = torch.randn(2, 3)
    model, curve = own(example={"signal": x, "scale": 2.0})
    loaded = yoto.load(tmp_path / "own.safetensors", net=model.plain)
    assert yoto.TradeoffCurve.from_dict(loaded.header.curve) == curve
    assert loaded.objective.name == "chebyshev"
    assert loaded.header.directions == {"mean": "higher"}
    assert list(loaded.example) == ["signal", "scale"]
    assert torch.equal(loaded.example["signal"], x)
    assert loaded.example["scale"] == 2.0
    yoto.save(model, tmp_path / "again.safetensors", like=loaded.header, extras=loaded.extras)
    assert torch.equal(yoto.load(tmp_path / "again.safetensors", net=model.plain).example["signal"], x)
    yoto.save(model, tmp_path / "without.safetensors", like=loaded.header)
    assert yoto.load(tmp_path / "without.safetensors", net=model.plain).example is None


def test_models_lists_it_with_its_figures(yoto, own, monkeypatch, tmp_path):
    own()
    monkeypatch.setenv("YOTO_MODELS", str(tmp_path))
    line = next(line for line in yoto("models").out.splitlines() if line.startswith("own "))
    assert "size 0.1 to 10" in line
    assert "fit " in line
    (entry,) = [each for each in json.loads(yoto("models", "--json").out) if each["name"] == "own"]
    assert entry["directions"] == {"mean": "higher"}
    assert entry["objective"]["scalarisation"] == "chebyshev"


def test_sweep_writes_the_curve_that_it_holds(yoto, own, tmp_path):
    _, curve = own()
    code, out, err = yoto("sweep", "own.safetensors")
    assert code == 0
    assert "measuring anew takes your data: --task, or yoto.sweep in Python" in err
    assert out.startswith("at size")
    with (tmp_path / "own/sweep/curve.csv").open() as file:
        assert [float(row["term.fit"]) for row in csv.DictReader(file)] == pytest.approx(curve.terms["fit"])
    assert (tmp_path / "own/sweep/curve.png").stat().st_size > 1000
    code, _, err = yoto("sweep", "own.safetensors", "--grid", "5", "--force")
    assert code == 2
    assert "only a finished curve: give --task, or measure it in Python" in err


def test_select_takes_the_best_point_of_the_curve_that_the_file_holds(yoto, own, tmp_path):
    model, curve = own()
    command = [
        "select",
        "own.safetensors",
        "--minimise",
        "fit",
        "--subject-to",
        f"size<={sorted(curve.terms['size'])[2]}",
    ]
    code, out, err = yoto(*command)
    (best,) = curve.best(minimise="fit", subject_to=command[-1]).point.values()
    assert code == 0
    assert out.startswith(f"size = {best:.4g}\n")
    assert out.splitlines()[-1].startswith("next: yoto export own.safetensors -o plain.safetensors --at size=")
    assert "of the curve that the file holds" in err
    code, out, _ = yoto(*command, "--json", "-o", "plain.safetensors")
    assert json.loads(out)["point"] == {"size": best}
    plain = load_file(tmp_path / "plain.safetensors")
    assert all(torch.equal(value, plain[name]) for name, value in model.bake(size=best).state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--minimise", "fit", "--limit", "3"],
            "only a finished curve: give --task, or choose in Python: yoto.select(",
        ),
        (["--ask"], "only a finished curve: give --task"),
        (["--minimise", "fitt"], "Did you mean 'fit'"),
        (["--minimise", "fit", "--subject-to", "size<=-1"], "The request cannot be met: nearest is size = "),
        (["--minimise", "fit", "--polish", "3"], "has no recipe to train by: polish it in Python"),
        (["--minimise", "fit", "--task", "their_module:Task", "--data", "."], "--data is for models with a recipe"),
    ],
)
def test_select_without_a_recipe_refuses_what_takes_one(yoto, own, arguments, message):
    own()
    code, out, err = yoto("select", "own.safetensors", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_select_of_a_model_without_a_curve_says_how(yoto, own):
    own(with_curve=False)
    code, _, err = yoto("select", "own.safetensors", "--minimise", "fit")
    assert code == 2
    assert "no recipe to measure it by and no curve: give --task, or choose in Python: yoto.select(" in err


def test_select_measures_by_a_task_that_is_named(yoto, own):
    model, _ = own(with_curve=False)
    code, out, err = yoto("select", "own.safetensors", "--minimise", "fit", "--task", "their_module:Task", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["evaluations"] > 0
    (fit,) = yoto_sweep(model, found["point"])
    assert found["values"]["fit"] == pytest.approx(fit, rel=1e-5)


def test_sweep_of_a_model_without_a_curve_says_how(yoto, own):
    own(with_curve=False)
    code, _, err = yoto("sweep", "own.safetensors")
    assert code == 2
    assert "no recipe to measure it by and no curve: give --task, or measure it in Python: yoto.sweep(" in err
    assert err.count("\n") == 1


def test_sweep_measures_by_a_task_that_is_named(yoto, own, tmp_path):
    model, _ = own(with_curve=False)
    code, _, err = yoto("sweep", "own.safetensors", "--task", "their_module:Task", "--grid", "3", "--limit", "4")
    assert code == 0, err
    found = json.loads((tmp_path / "own/sweep/curve.json").read_text())
    assert (found["info"]["n"], len(found["points"])) == (4, 3)
    with torch.no_grad():
        terms_at = terms(model.eval().at(SPACE.grid(3)[1]), torch.ones(4, 3))
    assert found["terms"]["size"][1] == pytest.approx(float(terms_at["size"].mean()), rel=1e-5)
    assert found["loss"][1] == pytest.approx(max(float(terms_at["fit"][0]), float(terms_at["size"][0])), rel=1e-5)


def test_a_network_in_the_place_of_a_task_is_refused(yoto, own):
    own()
    code, _, err = yoto("sweep", "own.safetensors", "--task", "their_module:Own")
    assert code == 2
    assert "should have the methods network, terms and data. Found no 'network' in Own" in err
    assert err.count("\n") == 1


def test_export_at_one_lambda_needs_the_file_alone(yoto, own, tmp_path):
    model, _ = own()
    assert yoto("export", "own.safetensors", "-o", "plain.safetensors", "--at", "size=2").code == 0
    for name, value in model.bake(size=2.0).state_dict().items():
        assert torch.equal(load_file(tmp_path / "plain.safetensors")[name], value)


def test_export_of_a_program_takes_the_network_and_an_example(yoto, own, tmp_path):
    x = torch.randn(2, 3)
    model, _ = own(example=x)
    assert yoto("export", "own.safetensors", "-o", "own.pt2", "--net", "their_module:Own") == (0, "own.pt2\n", "")
    lam = SPACE.sample(7)
    program, more = torch.export.load(tmp_path / "own.pt2").module(), torch.randn(7, 3)
    assert torch.allclose(program(more, lam), model(more, at=lam), atol=1e-5)
    code, _, err = yoto("export", "own.safetensors", "-o", "other.pt2")
    assert code == 2
    assert "give --net MODULE:CLASS" in err
    own()
    code, _, err = yoto("export", "own.safetensors", "-o", "other.pt2", "--net", "their_module:Own")
    assert code == 2
    assert "holds no example inputs of 'forward': save it with yoto.save(…, example=…)" in err


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("their_module", "--net should be MODULE:CLASS"),
        ("their_module:Missing", "importable as module:Name"),
        ("./their_module.py:Own", "Found a path: give the module's name"),
        ("their_module.py:Own", "Found a path: give the module's name"),
        ("their_module:nothing", "should make a torch.nn.Module. Found int"),
        ("torch.nn:Linear", "should make a network without arguments"),
    ],
)
def test_networks_that_are_none(yoto, own, net, message):
    own(example=torch.randn(2, 3))
    code, _, err = yoto("export", "own.safetensors", "-o", "other.pt2", "--net", net)
    assert code == 2
    assert message in err


def test_its_page_loads(yoto, own):
    own()
    code, _, err = yoto("demo", "own.safetensors", "--check")
    assert code == 0
    assert "/model.html" in err


@pytest.mark.parametrize("example", ["text", {}, [torch.ones(2)], {"x": [torch.ones(2)]}])
def test_an_example_that_is_none(own, example):
    with pytest.raises(yoto.YotoError, match="`example` should be an input of the network"):
        own(example=example)


def test_an_example_by_position_has_the_names_of_the_arguments(tmp_path):
    model = condition(nn.Linear(3, 1), SPACE)
    yoto.save(model, tmp_path / "a.safetensors", example=(torch.ones(2, 3),))
    assert list(yoto.load(tmp_path / "a.safetensors", net=nn.Linear(3, 1)).example) == ["input"]


def test_what_to_type_next_can_be_typed_whatever_the_file_is_called(yoto, own, tmp_path):
    own()
    (tmp_path / "own.safetensors").rename(tmp_path / "my own.safetensors")
    _, out, _ = yoto("select", "my own.safetensors", "--minimise", "fit")
    code, _, err = yoto(*shlex.split(out.splitlines()[-1].removeprefix("next: yoto ")))
    assert (code, err) == (0, "")
    with pytest.raises(UsageError, match="yoto sweep 'my run' --task their_module:Task$"):
        check_known("", None, "their_module:Task", ("sweep", "my run"))
