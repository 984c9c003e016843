"""scripts/gpu.sh: what is run on a GPU machine, rehearsed with the packages that it has."""

import importlib.util
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yoto import bundle
from yoto.data.photographs import BUNDLED

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts/gpu.sh"


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gpu():
    return script("gpu")


@pytest.fixture
def carry(tmp_path, gpu):
    """As --pack leaves it, but for the packages' own files."""
    folder = tmp_path / "carry"
    (folder / "photos/train").mkdir(parents=True)
    for file in sorted(BUNDLED.glob("*.webp"))[:2]:
        with Image.open(file) as image:
            image.convert("RGB").save(folder / "photos/train" / f"{file.stem}.jpg", quality=92)
    for name in gpu.CARRIED:
        facts = f"{name.replace('-', '_')}-{metadata.version(name)}.dist-info"
        (folder / "site" / facts).mkdir(parents=True)
    return folder


def run(*arguments):
    environment = os.environ | {"PYTHON": sys.executable}
    environment.pop("OUT", None)
    return subprocess.run([SCRIPT, *map(str, arguments)], capture_output=True, text=True, env=environment)


@pytest.mark.slow
def test_the_codecs_run_comes_to_its_end_with_the_packages_of_the_machine(carry, tmp_path):
    out = tmp_path / "out"
    done = run("--rehearse", "codec", "--carry", carry, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("BD-rate against JPEG 4:2:0, estimated rates: ")
    assert "20 steps in" in done.stdout
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) <= 8
    assert all(path.stat().st_size < 16 * 2**20 for path in files)
    header = bundle.read_header(out / "model.safetensors")
    assert header.task == "compression"
    assert len(header.info["fingerprint"]) == 16
    assert header.curve is not None
    assert str(tmp_path) not in str(header.recipe)
    plain = bundle.load(out / "model.safetensors").model
    halved = [p for p in plain.parameters() if p.dtype.is_floating_point]
    assert all((p == p.half().float()).all() for p in halved)


@pytest.mark.slow
def test_the_comparisons_run_comes_to_its_end_with_the_packages_of_the_machine(carry, tmp_path):
    out = tmp_path / "out"
    done = run("--rehearse", "parity", "--carry", carry, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "20 steps each." in done.stdout
    files = {path.name for path in out.iterdir()}
    assert files == {
        "report.md", "report.json", "table.csv", "regret.png", "tradeoff.png", "samples.png", "table.md",
    }  # fmt: skip
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert len(report["points"]) == 4
    assert str(tmp_path) not in json.dumps(report)


def test_the_rehearsal_sees_no_package_that_the_machine_lacks(gpu):
    seen = gpu.top_level(gpu.closure(gpu.PRESENT) - {gpu.normal(name) for name in gpu.ABSENT})
    assert {"torch", "numpy", "PIL", "lightning_fabric", "typer", "yaml"} <= set(seen)
    for name in ("pydantic", "pydantic_core", "pooch", "constriction", "moocore", "fastapi", "pytest", "yoto"):
        assert name not in seen


def test_what_is_missing_is_said_at_once(tmp_path):
    found = run("codec", "--carry", tmp_path, "--out", tmp_path / "out")
    assert found.returncode == 1
    assert "should have the packed photographs. Run scripts/gpu.sh --pack PHOTOS" in found.stderr
    found = run("--rehearse", "codec", "--carry", tmp_path)
    assert found.returncode == 1
    assert "Run --pack PHOTOS" in found.stderr
    assert run("codec").returncode == 2
    assert "NAME, one of codec" in run("other", "--out", tmp_path).stderr


def test_photographs_are_left_out_evenly_before_any_is_shrunk(tmp_path):
    folder = tmp_path / "photos"
    for split in ("train", "validation"):
        (folder / split).mkdir(parents=True)
    for number in range(10):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / "train" / f"{number}.jpg", quality=95)
    size = sum(file.stat().st_size for file in (folder / "train").iterdir()) / 2**20

    def pack(share):
        out = tmp_path / f"packed-{share}"
        script = [sys.executable, ROOT / "scripts/pack_photographs.py", folder, out, "--mib", f"{share * size}"]
        done = subprocess.run([*map(str, script)], capture_output=True, text=True)
        return done, out

    done, out = pack(0.85)
    names = sorted(file.name for file in (out / "train").iterdir())
    assert len(names) == 8
    assert all((out / "train" / name).read_bytes() == (folder / "train" / name).read_bytes() for name in names)
    assert "8 of 10 photographs as they are" in done.stdout
    done, out = pack(0.5)
    assert len(list((out / "train").iterdir())) == 10
    assert sum(file.stat().st_size for file in (out / "train").iterdir()) <= 0.5 * size * 2**20
    with Image.open(out / "train" / "0.jpg") as image:
        assert image.width < 64
    done, _ = pack(0.01)
    assert done.returncode == 1
    assert "Give a larger --mib" in done.stderr


def test_photographs_of_one_name_in_several_folders_are_all_packed(tmp_path, monkeypatch, capsys):
    pack = script("pack_photographs")
    for name in ("train/a/1.png", "train/b/1.png", "train/1.png", "train/1.jpg", "validation/a/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / name)
    for mib, told in (("1", "4 of 4 photographs as they are"), ("0.03", "4 photographs shrunk")):
        monkeypatch.setattr(sys, "argv", ["pack", str(tmp_path), str(tmp_path / mib), "--mib", mib])
        pack.main()
        assert told in capsys.readouterr().out
        assert sum(file.is_file() for file in (tmp_path / mib / "train").rglob("*")) == 4
        assert (tmp_path / mib / "validation/a/1.png").is_file()
    monkeypatch.setattr(sys, "argv", ["pack", str(tmp_path / "validation"), str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="Found none"):
        pack.main()
