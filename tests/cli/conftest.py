"""Running the command line inside the test's process, and a small model to run it on."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from stylize import toy
from yoto import cli


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def yoto(capsys, monkeypatch, tmp_path):
    """Runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> Outcome:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An untrained conditional VAE of 8x8 digits as a bundle."""
    from yoto import bundle
    from yoto.recipe import read
    from yoto.task import load_task
    from yoto.training import build_model

    recipe = read("vae/digits", ["evaluation.limit=20", "evaluation.points={kl: [0.125, 1, 8]}"])
    path = tmp_path_factory.mktemp("models") / "digits.safetensors"
    bundle.save(build_model(recipe, load_task(recipe.task, recipe.options)), path, recipe=recipe)
    return path


@pytest.fixture(scope="session")
def fixed_model(tmp_path_factory):
    """An untrained plain VAE for β = 4 as a bundle."""
    from yoto import bundle
    from yoto.recipe import read
    from yoto.task import load_task
    from yoto.training import build_model

    recipe = read("vae/digits", ["fixed={kl: 4.0}", "evaluation.limit=20"])
    path = tmp_path_factory.mktemp("models") / "digits-4.safetensors"
    bundle.save(build_model(recipe, load_task(recipe.task, recipe.options)), path, recipe=recipe)
    return path


@pytest.fixture(scope="session")
def style_model(tmp_path_factory):
    """A small untrained style model as a bundle."""
    folder = tmp_path_factory.mktemp("style")
    return toy.save(folder / "paintings", folder / "toy.safetensors")


@pytest.fixture
def picture(tmp_path):
    """A small picture file, wider than high."""
    from PIL import Image

    path = tmp_path / "input.png"
    Image.linear_gradient("L").resize((40, 30)).save(path)
    return path
