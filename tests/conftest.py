"""Settings of the whole suite (one thread per process, no user's folders, no display, the same random numbers), and
what tests of commands and pages share: a command line in this process, small models, the pages behind the server."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts: the suite runs one process per core
os.environ["MPLBACKEND"] = "Agg"
for name in ("YOTO_DATA", "YOTO_MODELS", "YOTO_DEBUG"):
    os.environ.pop(name, None)

import hypothesis
import pytest

hypothesis.settings.register_profile("yoto", deadline=None, max_examples=30, derandomize=True)
hypothesis.settings.load_profile("yoto")


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test starts from the same state of torch's global generator, whatever ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_make_parametrize_id(config, val, argname):
    """Readable names for tensors and tuples of numbers in parametrised tests."""
    if "torch" in sys.modules and isinstance(val, sys.modules["torch"].Tensor):
        return f"{argname}={'x'.join(map(str, val.shape)) or 'scalar'}"
    if isinstance(val, tuple) and all(isinstance(part, (int, float)) for part in val):
        return f"{argname}={'x'.join(map(str, val))}"
    return None


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def yoto(capsys, monkeypatch, tmp_path):
    """Runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    from yoto import cli

    def run(*arguments) -> Outcome:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An untrained conditional VAE of 8x8 digits as a bundle."""
    from yoto import bundle
    from yoto.build import build_model
    from yoto.recipe import read
    from yoto.registry import load_task

    recipe = read("vae/digits", ["evaluation.limit=20", "evaluation.points={kl: [0.125, 1, 8]}"])
    path = tmp_path_factory.mktemp("models") / "digits.safetensors"
    bundle.save(build_model(recipe, load_task(recipe.task, recipe.options)), path, recipe=recipe)
    return path


@pytest.fixture(scope="session")
def fixed_model(tmp_path_factory):
    """An untrained plain VAE for β = 4 as a bundle."""
    from yoto import bundle
    from yoto.build import build_model
    from yoto.recipe import read
    from yoto.registry import load_task

    recipe = read("vae/digits", ["fixed={kl: 4.0}", "evaluation.limit=20"])
    path = tmp_path_factory.mktemp("models") / "digits-4.safetensors"
    bundle.save(build_model(recipe, load_task(recipe.task, recipe.options)), path, recipe=recipe)
    return path


@pytest.fixture(scope="session")
def style_model(tmp_path_factory):
    """A small untrained style model as a bundle."""
    from apps.style import toy

    folder = tmp_path_factory.mktemp("style")
    return toy.save(folder / "paintings", folder / "toy.safetensors")


@pytest.fixture
def picture(tmp_path):
    """A small picture file, wider than high."""
    from PIL import Image

    path = tmp_path / "input.png"
    Image.linear_gradient("L").resize((40, 30)).save(path)
    return path


@pytest.fixture(params=["16 bits", "32 bits"])
def deep_greys(request, tmp_path):
    """A folder of training photographs with one of more than eight bits, whose every pixel is level 128."""
    import numpy as np
    from PIL import Image

    folder = tmp_path / "deep" / "train"
    folder.mkdir(parents=True)
    dtype = np.uint16 if request.param == "16 bits" else np.int32
    Image.fromarray(np.full((150, 170), 128 * 257, dtype)).save(folder / "train-1.tif")
    return folder.parent


@pytest.fixture(scope="session")
def compression():
    from yoto.apps.codec.page import Compression

    return Compression()


@pytest.fixture(scope="session")
def style(tmp_path_factory):
    """The page of a small untrained style model."""
    from apps.style import toy
    from yoto.apps.style.page import Style

    folder = tmp_path_factory.mktemp("style")
    return Style(str(toy.save(folder / "paintings", folder / "toy.safetensors")))


@pytest.fixture(scope="session")
def vae():
    from yoto.apps.vae.page import Autoencoders

    return Autoencoders()


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """The page of an untrained VAE of digits."""
    from web import toys
    from yoto.web.own import Own

    return Own(str(toys.digits(tmp_path_factory.mktemp("own") / "digits.safetensors")))


@pytest.fixture(scope="session")
def upload():
    """A small photograph, as an upload is read."""
    from web import samples
    from yoto.web import uploads

    return uploads.decoded(samples.png())
