"""The wheel, installed outside the checkout: bare it serves the core, with an extra what the extra is for.

Each environment is an empty one that sees only the packages which the wheel asks for, and those that they ask for in
turn: links to the ones installed beside these tests. pip then installs the wheel with --no-index, which fails if it
wants any other.
"""

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from yoto.support.extras import LIBRARIES

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (path,) = folder.glob("*.whl")
    return path


def asked_for(own: Distribution, extras: Iterable[str]) -> dict[str, Distribution]:
    """The distributions that the wheel needs with some extras, by name, and those that they need."""
    found: dict[str, Distribution] = {}
    done = set()
    left = [("yoto", extra) for extra in ("", *extras)]
    while left:
        name, extra = left.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        found.setdefault(name, own if name == "yoto" else distribution(name))
        for line in found[name].requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                left += [(wanted.name.lower(), more) for more in ("", *wanted.extras)]
    return {name: each for name, each in found.items() if name != "yoto"}


class Environment:
    """A virtual environment with the wheel and some of its extras."""

    def __init__(self, folder: Path, wheel: Path, *extras: str) -> None:
        venv.create(folder / "env", with_pip=False)
        self.bin, self.home = folder / "env" / "bin", folder / "home"
        self.home.mkdir()
        shelf = folder / "shelf"
        shelf.mkdir()
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder / "unpacked")
        (metadata,) = (folder / "unpacked").glob("*.dist-info")
        for needed in asked_for(Distribution.at(metadata), extras).values():
            for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
                if not (shelf / top).exists() and not top.endswith(".pth"):
                    (shelf / top).symlink_to(Path(str(needed.locate_file(top))).resolve())
        (site,) = (folder / "env" / "lib").glob("python*/site-packages")
        (site / "shelf.pth").write_text(f"{shelf}\n")
        named = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "--quiet", "--no-index", named], check=True)

    def run(self, name: str, *arguments: object, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a program of the environment does, in an empty folder."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "YOTO", "PYTEST", "VIRTUAL"))}
        return subprocess.run(
            [self.bin / name, *map(str, arguments)],
            cwd=self.home,
            env=variables,
            input=input,
            capture_output=True,
            text=True,
        )

    def done(self, name: str, *arguments: object, input: str | None = None) -> str:
        """The same, where it must succeed: what it printed."""
        result = self.run(name, *arguments, input=input)
        assert result.returncode == 0, result.stderr
        return result.stdout or result.stderr


@pytest.fixture(scope="session")
def environment(wheel, tmp_path_factory):
    made: dict[tuple[str, ...], Environment] = {}

    def make(*extras: str) -> Environment:
        if extras not in made:
            made[extras] = Environment(tmp_path_factory.mktemp("-".join(extras) or "bare"), wheel, *extras)
        return made[extras]

    return make


def photograph(home: Path) -> None:
    """Put a picture file into the home folder of an environment."""
    from PIL import Image

    Image.linear_gradient("L").resize((256, 192)).convert("RGB").save(home / "photo.png")


def readme_blocks() -> list[str]:
    """The Python of the README, each block going on from the one before."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_bare_wheel_serves_the_core(environment):
    bare = environment()
    place = bare.done("python", "-c", "import yoto; print(yoto.__file__)")
    assert str(ROOT) not in place
    bare.done("python", "-", input=readme_blocks()[0])
    shown = bare.done("python", "-", input=(ROOT / "examples/quickstart.py").read_text("utf-8"))
    assert "baked" in shown


def test_the_readme_selects_with_the_extra_for_training(environment):
    first, *more = readme_blocks()
    assert more
    environment("train").done("python", "-", input="".join([first, *more, "assert found.feasible\n"]))


def test_the_bare_environment_holds_no_optional_library(environment):
    code = (
        "import json, sys; from importlib.util import find_spec; names = json.load(sys.stdin);"
        "print(json.dumps([name for name in names if find_spec(name)]))"
    )
    assert json.loads(environment().done("python", "-c", code, input=json.dumps(list(LIBRARIES)))) == []


def test_the_bare_wheel_loads_a_model_that_carries_a_recipe(environment):
    from torch import nn

    import yoto
    from yoto.recipe import read

    bare = environment()
    recipe = read("vae/digits")
    path = bare.home / "recipe.safetensors"
    yoto.save(yoto.condition(nn.Linear(3, 2), recipe.loss_space()), path, recipe=recipe)
    code = (
        "import yoto; from torch import nn, ones\n"
        "loaded = yoto.load('recipe.safetensors', net=nn.Linear(3, 2))\n"
        "print(tuple(loaded.conditional.bake(kl=4.0)(ones(1, 3)).shape), loaded.header.recipe['name'])\n"
        "try: loaded.recipe\n"
        "except yoto.errors.YotoError as error: print(error)\n"
    )
    shown, refused = bare.done("python", "-", input=code).splitlines()
    assert shown == f"(1, 2) {recipe.name}"
    advice = "Install it with pip install '.[train]' in a checkout of yoto."
    assert refused == f"A recipe needs pydantic. Found none. {advice}"


# What a bare environment refuses, and the extra that it names.
REFUSED = {
    "yoto.load('vae/fashion-mnist')": "train",
    "import yoto.recipe": "train",
    "import yoto.training; yoto.training.train": "train",
    "curve.plot()": "train",
    "curve.hypervolume({'a': 1.0})": "train",
    "yoto.LossSpace(mix=yoto.Simplex('a', 'b', concentration=2.0)).sample(2)": "train",
    "from yoto.apps.vae.data import digits; digits('test')": "train",
    "import yoto.codec": "codec",
    "import yoto.pillow": "codec",
    "import yoto.stylize": "style",
    "from yoto.export import export; export(nn.Linear(2, 2), 'x.onnx', {'x': torch.ones(2, 2)})": "onnx",
    "from yoto.data.hdf5 import unpack; unpack(Path('a'), Path('b'), (1, 1, 1, 1), 'c')": "data",
}


def test_what_needs_more_names_its_extra_in_one_line(environment):
    code = """
import json, sys, torch, yoto, yoto.errors
from pathlib import Path
from torch import nn
curve = yoto.TradeoffCurve(parameters=("b",), points=({"b": 1.0},), weights=({"b": 1.0},), terms={"a": (0.5,)},
                           loss=(0.5,))
said = {}
for line in json.load(sys.stdin):
    try:
        exec(line)
    except yoto.errors.YotoError as error:
        said[line] = str(error)
print(json.dumps(said))
"""
    said = json.loads(environment().done("python", "-c", code, input=json.dumps(list(REFUSED))))
    for line, extra in REFUSED.items():
        assert re.fullmatch(
            rf"[^\n]+ needs [^\n]+\. Found none\. Install it with pip install '\.\[{extra}\]' in a checkout of yoto\.",
            said.get(line, "not refused"),
        ), (line, said.get(line))


@pytest.mark.parametrize("command", [["yoto", "--help"], ["yoto", "train", "vae/digits"], ["python", "-m", "yoto"]])
def test_the_command_line_of_a_bare_wheel_says_what_it_needs(environment, command):
    result = environment().run(*command)
    assert result.returncode == 2
    assert result.stdout == ""
    assert re.fullmatch(
        r"yoto: The command line needs typer\. Found none\. Install it with pip install '\.\[train\]' [^\n]+\.\n",
        result.stderr,
    )


def test_the_extra_codec_is_enough_to_compress(environment):
    codec = environment("codec")
    photograph(codec.home)
    codec.done("yoto", "compress", "photo.png", "-o", "photo.yoto")
    codec.done("yoto", "decompress", "photo.yoto", "-o", "again.png")
    assert (codec.home / "again.png").stat().st_size > 100
    refused = codec.run("yoto", "train", "vae/digits")
    assert refused.returncode == 2
    assert re.fullmatch(r"yoto train: [^\n]+ needs [^\n]+'\.\[train\]' in a checkout of yoto\.\n", refused.stderr)


def test_the_extra_style_is_enough_to_paint(environment):
    style = environment("style")
    photograph(style.home)
    style.done("yoto", "stylize", "photo.png", "-o", "painted.png", "--style", "great-wave")
    assert (style.home / "painted.png").stat().st_size > 100


def test_the_extra_web_is_enough_for_the_page(environment):
    assert "/style" in environment("web").done("yoto", "demo", "--check")


def test_the_extra_train_is_enough_to_train_and_measure(environment):
    train = environment("train")
    train.done("yoto", "train", "vae/digits", "-o", "run", "training.steps=3", "evaluation.limit=20")
    train.done("yoto", "sweep", "run", "-o", "swept")
    assert list((train.home / "swept").glob("*.png"))


def test_what_the_extra_train_lacks_names_the_extra_that_brings_it(environment):
    train = environment("train")
    for split in ("train", "validation"):
        (train.home / "photos" / split).mkdir(parents=True)
        photograph(train.home / "photos" / split)
    for extra, line in {
        "web": "demo --check",
        "style": "train style/bank styles=photos/train data=photos -o style",
        "tensorboard": "train vae/digits -o logged --tensorboard",
        "onnx": "export vae/fashion-mnist -o decoder.onnx --method decode",
    }.items():
        refused = train.run("yoto", *line.split())
        assert refused.returncode == 2
        assert re.fullmatch(
            rf"yoto {line.split()[0]}: [^\n]+ needs [^\n]+\. Found none\. Install it with pip install "
            rf"'\.\[{extra}\]' in a checkout of yoto\.\n",
            refused.stderr,
        ), refused.stderr


def test_the_wheel_serves_every_application_outside_the_checkout(environment):
    whole = environment("all")
    photograph(whole.home)
    whole.done("yoto", "compress", "photo.png", "-o", "photo.yoto", "--quality", "60")
    whole.done("yoto", "stylize", "photo.png", "-o", "painted.png", "--style", "great-wave")
    whole.done("yoto", "sample", "-o", "samples.png", "--beta", "0.5,4")
    assert "/compression" in whole.done("yoto", "demo", "--check")
    assert {path.name for path in whole.home.iterdir()} >= {"photo.yoto", "painted.png", "samples.png"}
