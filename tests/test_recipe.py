"""Recipes: published ones are valid, changes reach their key, mistakes are named in one line."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from yoto import recipe
from yoto.errors import YotoError
from yoto.recipe import Recipe
from yoto.space import Choice, LogUniform, LossSpace, Simplex

MINIMAL = """
name: mine
task: vae
options: {dataset: digits}
space: {reconstruction: 1.0, kl: {distribution: log-uniform, low: 0.5, high: 128}}
training: {steps: 10, batch: 8, lr: 1e-2}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(MINIMAL)
    return file


@pytest.mark.parametrize("name", recipe.shipped())
def test_published_recipes_are_valid_and_name_no_folder(name):
    published = recipe.read(name)
    assert isinstance(published, Recipe)
    assert published.options.get("data") is None
    assert recipe.from_dict(published.to_dict()) == published


CONDITIONED = {
    "compression/hyperprior": ([64], 0.3, 3),
    "compression/hyperprior-2": ([8], 0.3, 3),
    "compression/hyperprior-gpu": ([64], 0.3, 3),
    "compression/hyperprior-ms-ssim": ([64], 0.3, 3),
    "paper/cifar10-vae": ([512], 0.1, 0),
    "paper/shapes3d-vae": ([256], 0.01, 0),
    "published/hyperprior-lct": ([128], 0.1, 0),
    "style/bank": ([64, 64], 0.1, 0),
    "style/bank-gpu": ([64, 64], 0.1, 0),
    "vae/digits": ([64], 0.1, 3),
    "vae/fashion-mnist": ([64], 0.1, 3),
    "vae/fashion-mnist-paper": ([256], 0.1, 0),
    "vae/photographs": ([64], 0.1, 3),
    "vae/shapes": ([64], 0.1, 3),
}


@pytest.mark.parametrize("name", sorted(CONDITIONED))
def test_published_recipes_say_how_they_condition_whatever_the_defaults_are(name):
    said = yaml.safe_load(recipe.shipped()[name].read_text())["conditioning"]
    assert (said["hidden"], said["multiplier"], said["fourier"]) == CONDITIONED[name]


def test_defaults_and_yaml_round_trip(path, tmp_path):
    first = recipe.read(path)
    assert first.training.lr == 0.01
    copy = tmp_path / "copy.yaml"
    copy.write_text(first.dump())
    assert recipe.read(copy) == first
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text(first.dump())
    assert recipe.read(run) == first


def test_changes(path):
    changed = recipe.read(
        path, ["training.lr=5e-3", "data=/tmp/x", "fixed={kl: 2}", "training.tilt=[4, 1, -1]", "seed=7", "fixed.kl=3"]
    )
    assert changed.training.lr == 0.005
    assert changed.options["data"] == "/tmp/x"
    assert changed.fixed == {"kl": 3}
    assert changed.training.tilt == [4, 1, -1]
    original = recipe.read(path)
    keys = {"options.data", "seed", "fixed", "training.lr", "training.tilt", "fixed.kl"}
    assert set(recipe.differences(original, changed)) == keys
    assert original.replace({"seed": 7}).seed == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.stepz=3", "unknown key 'training.stepz'. Did you mean 'steps'"),
        ("stepz=3", "Unknown recipe key 'stepz'"),
        ("training.steps=many", "'training.steps'.*Found 'many'"),
        ("training.steps=0", "greater than or equal to 1"),
        ("training.steps=1.5", "Found 1.5"),
        ("options.dataset=digit", "'dataset'"),
        ("options.widht=2", "Did you mean 'width'"),
        ("fixed.kl=1000", r"`kl` should lie in \[0.5, 128\]"),
        ("fixed.beta=1", "no loss parameter"),
        ("evaluation.points={kl: [1, 1000]}", r"\[0.5, 128\]"),
        ("evaluation.points={kl: []}", "should not be empty"),
        ("evaluation.points={}", "or be null, which is the grid. Found none"),
        ("evaluation.points={kl: [1, 2], reconstruction: [1]}", "free loss parameter"),
        ("space.kl.distribution=loguniform", "Did you mean 'log-uniform'"),
        ("task=vaee", "Did you mean 'vae'"),
        ("task=os:system", "`task` should be one of"),
        ("training.accumulate=3", "multiple of `accumulate`"),
        ("comparison.fixed={trainign.lr: 1}", "dotted recipe keys"),
        ("training.lr.x=3", "lead through mappings"),
        ("seed", "key=value"),
        ("=3", "key=value"),
    ],
)
def test_mistakes_are_named(path, change, message):
    with pytest.raises(YotoError, match=message) as caught:
        recipe.read(path, [change])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "should be a YAML file"),
        ("- 1", "mapping"),
        ("name: x", "is missing"),
        ("\x00", "should be a YAML file"),
    ],
)
def test_unreadable_files(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(YotoError, match=message) as caught:
        recipe.read(file)
    assert "\n" not in str(caught.value)


def test_distribution_objects_become_mappings(path):
    first = recipe.read(path)
    space = {"reconstruction": 1.0, "kl": LogUniform(0.5, 128.0)}
    built = Recipe(**{**first.to_dict(), "space": space})
    assert recipe.from_dict(built.to_dict()).loss_space() == first.loss_space()


def test_unknown_names_get_a_hint():
    with pytest.raises(YotoError, match="Did you mean 'vae/digits'"):
        recipe.read("vae/digit")


def test_points_are_zipped_and_completed_with_medians():
    space = Recipe.model_validate(
        {
            "name": "x",
            "task": "vae",
            "space": {
                "a": {"distribution": "log-uniform", "low": 1, "high": 100},
                "b": {"distribution": "uniform", "low": 0, "high": 4},
            },
            "training": {"steps": 1, "batch": 1},
        }
    ).loss_space()
    assert recipe.points(space, {"a": [1.0, 50.0]}) == [{"a": 1.0, "b": 2.0}, {"a": 50.0, "b": 2.0}]
    assert recipe.points(space, {"a": [1.0, 50.0], "b": [3.0]}) == [{"a": 1.0, "b": 3.0}, {"a": 50.0, "b": 3.0}]
    rich = LossSpace(mix=Simplex("a", "b"), style=Choice("x", "y"))
    found = recipe.points(rich, {"a": [0.2, 0.5], "b": [0.8, 0.5]})
    assert found == [{"a": 0.2, "b": 0.8, "style:x": 1.0}, {"a": 0.5, "b": 0.5, "style:x": 1.0}]
    assert rich.point(found[0]).tolist() == pytest.approx([0.2, 0.8, 1, 0])
    blends = recipe.points(rich, {"style": ["y", {"x": 0.5, "y": 0.5}], "mix": [{"a": 0.5, "b": 0.5}]})
    assert rich.point(blends[1])[2:].tolist() == [0.5, 0.5]
    with pytest.raises(YotoError, match="one length"):
        recipe.points(space, {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0]})


def test_a_range_that_was_replaced_by_a_number_is_said_to_be_missing():
    with pytest.raises(
        YotoError, match=r"`space` should have a free parameter\. .* fixed=\{kl: …\} trains for one value"
    ):
        recipe.read("vae/digits", ["space.kl=4"])


@pytest.mark.parametrize(
    ("more", "key"),
    [("training: {steps: 20, batch: 8}", "training"), ("conditioning: {skip: true, skip: false}", "skip")],
)
def test_a_key_that_stands_twice_is_refused_in_place_of_the_former_being_lost(path, more, key):
    path.write_text(MINIMAL + more)
    with pytest.raises(YotoError, match=f"'{key}' twice") as info:
        recipe.read(path)
    assert "\n" not in str(info.value)


def test_merged_keys_may_be_overridden(path):
    path.write_text(MINIMAL.replace("training: {", "training: {<<: &a {steps: 3, warmup: 7}, <<: {clip: null}, "))
    training = recipe.read(path).training
    assert (training.steps, training.warmup, training.clip) == (10, 7, None)


OWN = {"name": "own", "space": {"fit": 1.0, "size": LogUniform(0.5, 2.0)}, "training": {"steps": 1, "batch": 1}}


def test_options_are_what_the_file_gives_back():
    options = {"widths": (3, 4), "by": {1: "a"}, "where": Path("x/y"), "rate": np.float64(0.5)}
    made = recipe.from_dict({**OWN, "options": options})
    assert made.options == {"widths": [3, 4], "by": {"1": "a"}, "where": "x/y", "rate": 0.5}
    assert recipe.from_dict(yaml.safe_load(made.dump())) == made


@pytest.mark.parametrize("value", [math.nan, math.inf, [{"deep": -math.inf}], object()])
@pytest.mark.parametrize("section", ["options", "objective"])
def test_what_no_file_holds_is_refused_before_it_is_lost(section, value):
    with pytest.raises(YotoError, match=f"`{section}` should hold what a file can") as info:
        recipe.from_dict({**OWN, section: {"limit": value}})
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("data", [None, [], "vae/digits"])
def test_a_recipe_of_something_else_is_refused(data):
    with pytest.raises(YotoError, match=f"mapping of its keys. Found {type(data).__name__}"):
        recipe.from_dict(data)
