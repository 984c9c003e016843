"""Help, listings and every error in the arguments answer without importing what takes long."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "lightning_fabric",
    "matplotlib",
    "numpy",
    "PIL",
    "rich",
    "scipy",
    "sklearn",
    "moocore",
    "onnx",
    "onnxruntime",
    "tensorboard",
}


@pytest.fixture
def quick(tmp_path):
    """Runs a command line in a process of its own and refuses heavy imports."""

    def run(*arguments):
        process = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "yoto", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"YOTO_MODELS": ""},
        )
        lines = process.stderr.splitlines()
        modules = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
        assert "yoto.cli.program" in modules
        assert not modules & HEAVY
        return process.returncode, [line for line in lines if not line.startswith("import time:")]

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["models"],
        ["models", "--json"],
        *(
            [command, "--help"]
            for command in (
                "train",
                "sweep",
                "compare",
                "models",
                "export",
                "compress",
                "decompress",
                "inspect",
                "reconstruct",
                "sample",
                "stylize",
                "styles",
            )
        ),
    ],
    ids=" ".join,
)
def test_answers(quick, arguments):
    assert quick(*arguments) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("train vae/digit", "Did you mean 'vae/digits'?"),
        ("train no.yaml", "Found 'no.yaml'"),
        ("train vae/digits training.lrr=1", "Did you mean 'lr'?"),
        ("train vae/digits trainig.lr=1", "'trainig'"),
        ("train vae/digits widht=2", "Did you mean 'width'?"),
        ("train vae/digits width=3", "width"),
        ("train vae/digits training.steps=many", "training.steps"),
        ("train vae/digits training.steps", "KEY=VALUE"),
        ("train vae/digits -o file", "'file'"),
        ("train vae/digits -o file/run", "cannot be written"),
        ("train vae/digits -o run", "--resume goes on with it"),
        ("train vae/digits -o new --resume", "needs a run"),
        ("train vae/digits -o run --resume --force", "give one of them"),
        ("train vae/digits -o run --resume --from {model}", "without --from"),
        ("train vae/digits -o new --from nothing", "Found 'nothing'"),
        ("train vae/digits --accelerator quantum", "--accelerator should be one of auto"),
        ("train vae/digits --task nothing", "--task should be MODULE:CLASS"),
        ("sweep {model} --task :Name", "--task should be MODULE:CLASS"),
        ("sweep nothing", "Found 'nothing'"),
        ("sweep file", "'file' should be a .safetensors file"),
        ("sweep run", "should hold model.safetensors"),
        ("sweep {model} --split tests", "Did you mean 'test'?"),
        ("sweep {model} -o full", "--force"),
        ("compare vae/digit", "Did you mean 'vae/digits'?"),
        ("compress none.png -o a.yoto", "does not exist"),
        ("compress file -o a.png", "should end in .yoto"),
        ("compress file -o a.yoto --quality 200", "0 to 100"),
        ("compress file -o a.yoto --model nothing", "Found 'nothing'"),
        ("decompress file -o a.png", "should be a .yoto image"),
        ("inspect file", "should be a .yoto image"),
        ("compare vae/digits --fixed kl=1000", "`kl` should lie in"),
        ("compare vae/digits --fixed lk=1", "Did you mean 'kl'?"),
        ("compare vae/digits --fixed kl", "NAME=VALUE"),
        ("compare vae/digits --multiples x", "--multiples"),
        ("compare vae/digits --with vae/digit", "Did you mean 'vae/digits'?"),
        ("compare vae/digits -o file", "'file'"),
        ("export nothing -o a.onnx", "Found 'nothing'"),
        ("export {model} -o a.what", "should end in .onnx"),
        ("export {model} -o a.what --format what", "--format should be one of onnx"),
        ("export {model} -o a.onnx --at kl=1e6", "`kl` should lie in"),
        ("export {model} -o a.onnx --at beta=1", "'beta'"),
        ("export {model} -o a.onnx --at kl=1,2", "one value"),
        ("export {model} -o a.safetensors", "--at"),
        ("export {fixed_model} -o a.onnx --at kl=1", "trained for one"),
        ("export {model} -o file.onnx", "--force replaces it"),
        ("reconstruct missing.png -o a.png --beta 1 --model {model}", "'missing.png' does not exist"),
        ("reconstruct full -o a.png --beta 1 --model {model}", "should be a file"),
        ("reconstruct file -o a.png --beta 1 --model nothing", "Found 'nothing'"),
        ("reconstruct file -o a.png --beta 1 --model {fixed_model}", "a VAE trained for a range of β"),
        ("reconstruct file -o a.png --beta 1e6 --model {model}", "`kl` should lie in"),
        ("reconstruct file -o a.png --beta one --model {model}", "--beta should be a number"),
        ("reconstruct file -o a.png --beta 4,4.0000001 --model {model} --json", "each value once"),
        ("sample -o a.png --beta 4,8,4 --model {model}", "each value once"),
        ("sample -o a.png --beta 4 --traverse -n 3 --model {model}", "-n is for samples"),
        ("reconstruct file -o file.onnx --beta 1 --model {model}", "should end in .png"),
        ("reconstruct file -o file.png --beta 1 --model {model}", "--force replaces it"),
        ("reconstruct file file.png -o file.png --beta 1 --model {model}", "'file' twice"),
        ("reconstruct file - -o out --beta 1 --model {model}", "one picture"),
        ("reconstruct file -o - --json --beta 1 --model {model}", "standard output"),
        ("stylize none.png -o a.png --style dots --model {style}", "does not exist"),
        ("stylize file.png -o a.png --model {style}", "--style should be one of dots, stripes"),
        ("stylize file.png -o a.png --style dotz --model {style}", "Did you mean 'dots'?"),
        ("stylize file.png -o a.png --style dots:x --model {style}", "NAME:WEIGHT"),
        ("stylize file.png -o a.png --style dots --style stripes --model {style}", "a blend is"),
        ("stylize file.png -o a.png --style dots --strength 2 --model {style}", "0 to 1"),
        ("stylize file.png -o a.png --style dots --layer corse=1 --model {style}", "Did you mean 'coarse'?"),
        ("stylize file.png -o a.png --style dots --layer coarse=99 --model {style}", "`coarse` should lie in"),
        ("stylize file.png -o a.png --style dots --layer coarse --model {style}", "NAME=VALUE"),
        ("stylize file.png -o a.png --style dots --smoothness 7 --model {style}", "`smoothness` should lie in"),
        ("stylize file.png -o a.png --style dots --model {model}", "style model"),
        ("stylize file.png -o a.png --style dots --engine tensor --model {style}", "--engine should be one of"),
        ("stylize file.png -o a.png --grid --animate --model {style}", "one of --grid"),
        ("stylize file.png -o a.png --grid --over coarse --layer coarse=2 --model {style}", "--layer coarse is what"),
        ("stylize file.png -o a.png --grid --over smoothness --smoothness 0.1 --model {style}", "--smoothness is what"),
        ("stylize file.png -o a.png --grid --over speed --model {style}", "--over should be one of"),
        ("stylize file.png -o a.png --style dots --steps 5 --model {style}", "is for --grid and --animate"),
        ("stylize file.png -o a.png --grid --strength 0.5 --model {style}", "Leave it out"),
        ("sweep {style} --grid 5", "does not apply to a style model"),
        ("export {style} -o a.onnx --method decode", "this network has one form"),
        ("stylize file.png -o a.jpg --style dots --animate --model {style}", "should end in .webp"),
        ("stylize file.png -o file.png --style dots --model {style}", "--force replaces it"),
        ("stylize file.png -o out --style dots --frames --model {style}", "at least two pictures"),
        ("stylize run -o out --style dots --model {style}", "should have pictures in it"),
        ("stylize file.png -o - --style dots --json --model {style}", "cannot share standard output"),
        ("styles --model {model}", "style model"),
        ("styles --model {style} -o a.txt", "should end in .png"),
        ("train style/bank styles=nowhere", "Found none in 'nowhere'"),
        ("sample -o a.png --beta 0.0001 --model {model}", "`kl` should lie in"),
        ("sample -o a.png --beta 1,nan --model {model}", "nan"),
        ("sample -o a.png --beta 1,2 --traverse --model {model}", "--traverse needs one β"),
        ("sample -o file/a.png --beta 1 --model {model}", "cannot be written"),
        ("sample -o a.png --beta 1 -n 0 --model {model}", "'-n'"),
    ],
)
def test_bad_input_is_one_line_at_once(quick, model, fixed_model, style_model, tmp_path, arguments, expected):
    for name in ("file", "file.png", "file.onnx", "run/recipe.yaml", "run/last/state.json", "full/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    before = sorted(tmp_path.rglob("*"))
    code, lines = quick(
        *(part.format(model=model, fixed_model=fixed_model, style=style_model) for part in arguments.split())
    )
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"yoto {arguments.split()[0]}: ")
    assert expected in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_models_reads_headers_only(quick, model, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "model.safetensors").write_bytes(model.read_bytes())
    assert quick("models") == (0, [])
