"""What a page is told of a model."""

import json

import pytest

from yoto import bundle
from yoto.space import Choice, LogUniform, LossSpace, Simplex, Uniform
from yoto.web import describe

SPACE = LossSpace(
    one=1.0,
    kl=LogUniform(0.25, 4.0),
    tilt=Uniform(-1.0, 3.0, weight=False),
    mix=Simplex("a", "b", "c"),
    kind=Choice("x", "y"),
)


def test_every_kind_of_parameter_has_a_control():
    found = {entry["name"]: entry for entry in describe.parameters(SPACE, {"kl": "β"})}
    assert list(found) == ["kl", "tilt", "mix", "kind"]
    assert found["kl"] == {
        "name": "kl", "label": "β", "weight": True, "scale": "log", "low": 0.25, "high": 4.0, "value": 1.0
    }  # fmt: skip
    assert (found["tilt"]["scale"], found["tilt"]["value"], found["tilt"]["label"]) == ("linear", 1.0, "tilt")
    assert (found["mix"]["scale"], found["mix"]["options"]) == ("simplex", ["a", "b", "c"])
    assert sum(found["mix"]["value"]) == pytest.approx(1)
    assert found["mix"]["low"] == 0.001
    assert (found["kind"]["scale"], found["kind"]["options"], found["kind"]["value"]) == ("choice", ["x", "y"], "x")
    json.dumps(found)


def test_first_values_lie_in_the_space():
    values = {}
    for entry in describe.parameters(SPACE):
        value = entry["value"]
        values[entry["name"]] = dict(zip(entry["options"], value, strict=True)) if isinstance(value, list) else value
    assert len(SPACE.check(values)) == len(SPACE.names)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (LossSpace(a=1.0, b=LogUniform(1.0, 2.0)), 101),
        (LossSpace(a=LogUniform(1.0, 2.0), b=Uniform(0.0, 1.0)), 101**2),
        (LossSpace(kind=Choice("x", "y", "z"), b=LogUniform(1.0, 2.0)), 303),
        (LossSpace(mix=Simplex("a", "b", "c")), 101**2),
        (LossSpace(a=1.0), 1),
    ],
)
def test_how_many_networks_the_sliders_stand_for(space, expected):
    assert describe.replaced(space) == expected


@pytest.mark.parametrize("name", ["vae/fashion-mnist", "vae/shapes", "compression/photo"])
def test_curves_have_a_number_per_point(name):
    header = bundle.read_header(name)
    found = describe.curve(header)
    assert set(found["terms"]) < set(found["series"])
    assert "loss" in found["series"]
    assert {len(values) for values in found["series"].values()} == {len(found["points"])}
    assert all(set(point) == set(found["parameters"]) for point in found["points"])
    facts = describe.model(header, name)
    assert facts["curve"] == found
    assert facts["weights"] == header.parameters > 1000
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("vae/shapes", "vae/shapes"),
        ("runs/mine", "runs/mine"),
        ("/home/me/mine.safetensors", "mine.safetensors"),
        ("/home/me/runs/mine/model.safetensors", "mine"),
        ("/home/me/runs/mine", "mine"),
    ],
)
def test_a_model_is_called_as_its_user_calls_it(given, expected):
    assert describe.known_as(given) == expected


def test_the_curve_of_a_model_that_was_trained_anew_since_is_not_shown(yoto, tmp_path):
    train = [
        "train",
        "vae/digits",
        "training.steps=2",
        "training.batch=8",
        "limit=32",
        "evaluation.limit=8",
        "-o",
        "run",
    ]
    assert yoto(*train).code == 0
    assert yoto("sweep", "run", "--grid", 2, "--limit", 8).code == 0
    model = tmp_path / "run" / "model.safetensors"
    assert len(describe.curve(bundle.read_header(model))["points"]) == 2
    assert yoto(*train, "--seed", 7, "--force").code == 0
    assert describe.curve(bundle.read_header(model)) is None
