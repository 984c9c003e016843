"""The page of a model of the user's."""

import os
import shutil

import pytest
from torch import nn

from web import samples, toys
from web.names import PAGES
from yoto import bundle
from yoto.errors import YotoError
from yoto.space import LossSpace
from yoto.web import server
from yoto.web.own import Own
from yoto.web.pages import all_pages, warm

SETTING = {"mix": {"a": 0.2, "b": 0.3, "c": 0.5}, "kind": "y", "kl": 4.0}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return Own(str(toys.mixed(tmp_path_factory.mktemp("mixed") / "mixed.safetensors")))


def test_every_parameter_has_a_control(mixed):
    info = mixed.info()
    assert [(p["name"], p["scale"]) for p in info["parameters"]] == [
        ("mix", "simplex"),
        ("kind", "choice"),
        ("kl", "log"),
    ]
    assert info["parameters"][2]["label"] == "β"
    assert info["replaces"] == 101**2 * 2 * 101
    assert not info["drawn"]
    assert info["model"] == "mixed.safetensors"
    assert len(info["curve"]["points"]) == 8


def test_a_model_without_a_task_has_its_setting_and_no_picture(mixed):
    made = mixed.picture(SETTING)
    assert made.picture == b""
    assert made.facts["weights"] == pytest.approx({"a": 0.2, "b": 0.3, "c": 0.5, "kind:y": 1.0, "kl": 4.0})
    assert mixed.picture(SETTING | {"kind": {"x": 0.5, "y": 0.5}}).facts["weights"]["kind:x"] == 0.5


def test_a_model_without_a_task_can_be_warmed(mixed):
    warm({"model": mixed})


@pytest.mark.parametrize(
    "change",
    [
        {"kl": 1e6},
        {"kl": 0.0},
        {"kl": "4"},
        {"kind": "z"},
        {"kind": {"x": 0.9}},
        {"mix": {"a": 1.0, "b": 1.0, "c": 1.0}},
        {"mix": 3.0},
        {"mix": {"a": 1.0}},
        {"other": 1.0},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(mixed, change):
    with pytest.raises(YotoError):
        mixed.picture(SETTING | change)


def test_a_value_that_is_missing_is_refused(mixed):
    with pytest.raises(YotoError, match="kl"):
        mixed.picture({"mix": SETTING["mix"], "kind": "x"})


def test_the_picture_is_the_tasks(own):
    made = own.picture({"kl": 2.0}, seed=3)
    loaded = bundle.load(own.header.path)
    at = loaded.space.point(kl=2.0)
    expected = loaded.task.picture(loaded.conditional.at(at), at, seed=3)
    assert abs(samples.inline(made.inline).astype(int) - expected).max() <= 1
    assert made.facts["weights"] == {"kl": 2.0}
    assert own.info()["drawn"]


def test_the_bundled_vae_has_a_page():
    own = Own("vae/fashion-mnist")
    info = own.info()
    assert (info["model"], info["parameters"][0]["label"]) == ("vae/fashion-mnist", "β")
    try:
        bundle.load("vae/fashion-mnist").task.data("test")
    except YotoError:
        pytest.skip("Fashion-MNIST is not here")
    assert own.picture({"kl": 1.0}).inline != own.picture({"kl": 100.0}).inline


def test_a_model_for_one_setting_is_refused(tmp_path):
    path = tmp_path / "plain.safetensors"
    bundle.save(nn.Linear(2, 2), path, space=LossSpace(a=1.0))
    with pytest.raises(
        YotoError, match=r"trained for a range of losses. Found .*trained for one setting. Usually: show"
    ):
        Own(str(path))


def test_the_users_page_comes_first(own):
    assert list(all_pages()) == list(PAGES)
    assert list(all_pages(own.path)) == ["model", *PAGES]


def test_the_page_of_the_users_model_is_not_left_out_in_silence(mixed, compression, monkeypatch):
    def info():
        raise YotoError("There are no facts.")

    monkeypatch.setattr(mixed, "info", info)
    with pytest.raises(YotoError, match="no facts"):
        server.create({"model": mixed, "compression": compression}, refused=pytest.fail)


def test_warming_stops_where_the_server_has_ended(mixed, monkeypatch):
    monkeypatch.setattr(Own, "drawn", True)
    monkeypatch.setattr(mixed, "ready", lambda: pytest.fail("it should not have been loaded"))
    warm({"model": mixed}, lambda: True)


def test_a_run_that_goes_on_shows_its_best_state_and_then_a_newer_one(tmp_path, own):
    run, path = tmp_path / "run", tmp_path / "run" / "best" / "model.safetensors"
    path.parent.mkdir(parents=True)
    shutil.copy(own.header.path, path)
    page = Own(str(run))
    info = page.info()
    assert info["running"] > 0
    assert info["load"] == str(path)
    assert not page.refreshed()
    page.ready()
    os.utime(path, ns=(1, 1))
    assert page.refreshed()
    assert page.loaded is None
    shutil.copy(own.header.path, run / "model.safetensors")
    assert page.refreshed()
    assert (page.info()["running"], page.info()["load"]) == (0, str(run))


def test_a_glimpse_goes_through_the_range(own, mixed):
    found = own.glimpse()
    assert found.label == "kl"
    assert len(found.at) == len(found.frames) == 7
    assert (found.frames[0] != found.frames[-1]).any()
    assert mixed.glimpse() is None
