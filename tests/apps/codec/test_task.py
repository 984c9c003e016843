"""The compression task: terms in their units, starts, extras, data and recipes."""

import numpy as np
import pytest
import torch
from PIL import Image

from yoto import bundle
from yoto.apps.codec.format.integer import fingerprint
from yoto.apps.codec.task import CompressionTask
from yoto.build import build_model
from yoto.conditioning import Conditional
from yoto.data.photographs import BUNDLED
from yoto.errors import YotoError
from yoto.recipe import read
from yoto.registry import load_task
from yoto.training import train

SMALL = ["options.channels=8", "options.latents=12", "options.crop=64", "training.precision=32-true"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for split in ("train", "validation"):
        (root / split).mkdir()
        for i in range(2):
            small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
            small.resize((192, 144), Image.Resampling.BICUBIC).save(root / split / f"{i}.png")
    return root


def test_terms_are_squared_levels_and_bits_per_pixel(folder):
    task = CompressionTask({"channels": 8, "latents": 12, "data": str(folder)})
    net = task.network().eval()
    x = torch.rand(2, 3, 64, 128)
    with torch.no_grad():
        terms, coded = task.terms(net, x), net(x)
    assert torch.allclose(terms["distortion"], ((coded.image - x) * 255).square().mean((1, 2, 3)), rtol=1e-5)
    assert torch.allclose(terms["rate"], (coded.latent_bits + coded.hyper_bits) / (64 * 128))
    assert task.units["rate"] == "bits per pixel"


def test_ms_ssim_can_be_the_distortion():
    task = CompressionTask({"channels": 8, "latents": 12, "distortion": "ms-ssim"})
    x = torch.rand(1, 3, 64, 64)
    value = task.terms(task.network().eval(), x)["distortion"]
    assert 0 < float(value.detach()) < 1
    assert "MS-SSIM" in task.units["distortion"]


def test_other_sizes_are_refused():
    task = CompressionTask({"channels": 8, "latents": 12})
    with pytest.raises(YotoError, match="multiples of 64"):
        task.terms(task.network(), torch.rand(1, 3, 60, 64))


def test_the_start_depends_on_the_data_and_the_weight(folder):
    recipe = read("compression/hyperprior", [*SMALL, f"options.data={folder}"])
    task = load_task(recipe.task, recipe.options)
    data = task.data("train")
    model = build_model(recipe, task, data)
    assert isinstance(model, Conditional)
    basis = model.plain.analysis.blocks.weight[:, :, 0, 0]
    assert torch.allclose(basis @ basis.T, torch.eye(12), atol=1e-5)
    gains = []
    for weight in (0.002, 0.1):
        fixed = recipe.replace({"fixed": {"distortion": weight}})
        gains.append(float(build_model(fixed, task, data).analysis.gain.weight.detach().mean()))
    assert gains[1] / gains[0] == pytest.approx(50**0.5, rel=1e-4)


def test_a_trained_run_is_a_codec(folder, tmp_path):
    from yoto import codec

    recipe = read("compression/hyperprior", [*SMALL, f"options.data={folder}", "training.steps=3", "training.warmup=1"])
    train(recipe, tmp_path / "run", progress=False, accelerator="cpu")
    header = bundle.read_header(tmp_path / "run")
    loaded = bundle.load(tmp_path / "run")
    assert header.parameters == sum(p.numel() for p in loaded.model.parameters())
    assert set(loaded.extras) >= {"thresholds", "prior.mean", "tables.frequencies"}
    model = codec.load(tmp_path / "run")
    assert header.info["fingerprint"] == model.fingerprint.hex()
    pixels = np.asarray(Image.open(folder / "train" / "0.png"))
    assert codec.decompress(codec.compress(pixels, model=model), model=model).size == (192, 144)


def test_fixed_models_carry_no_tables(folder, tmp_path):
    changes = [*SMALL, f"options.data={folder}", "training.steps=2", "training.warmup=1", "fixed={distortion: 0.01}"]
    train(read("compression/hyperprior", changes), tmp_path / "run", progress=False, accelerator="cpu")
    assert bundle.load(tmp_path / "run").extras == {}


def test_half_precision_keeps_the_fingerprint(folder, tmp_path):
    recipe = read("compression/hyperprior", [*SMALL, f"options.data={folder}"])
    task = load_task(recipe.task, recipe.options)
    model = build_model(recipe, task)
    bundle.halve(model)
    extras, info = task.extras(model)
    for half in (True, False):
        path = tmp_path / f"{half}.safetensors"
        bundle.save(model, path, recipe=recipe, info=info, extras=extras, half=half)
        from yoto import codec

        assert codec.load(path).fingerprint.hex() == info["fingerprint"]
    assert (tmp_path / "True.safetensors").stat().st_size < (tmp_path / "False.safetensors").stat().st_size


def test_photographs_for_testing_come_with_the_package():
    task = CompressionTask({})
    data = task.data("test")
    assert len(data) == 12
    assert data.batch(torch.arange(12)).shape == (12, 3, 512, 768)
    assert sorted(p.suffix for p in BUNDLED.iterdir() if p.suffix != ".tsv") == [".webp"] * 12


def test_missing_photographs_say_what_to_give(monkeypatch):
    monkeypatch.delenv("YOTO_DATA", raising=False)
    with pytest.raises(YotoError, match="data=FOLDER, or set YOTO_DATA"):
        CompressionTask({}).data("train")


def test_yoto_data_is_searched(monkeypatch, folder, tmp_path):
    (tmp_path / "photos").symlink_to(folder)
    monkeypatch.setenv("YOTO_DATA", str(tmp_path))
    assert len(CompressionTask({"crop": 64}).data("validation")) == 2


RECIPES = [f"compression/hyperprior{end}" for end in ("", "-2", "-gpu", "-ms-ssim")]


@pytest.mark.parametrize("name", [*RECIPES, "published/hyperprior-lct"])
def test_recipes_are_valid_and_name_no_folder(name):
    recipe = read(name)
    assert recipe.options.get("data") is None
    points = recipe.comparison_points()
    assert len(points) == 4
    assert recipe.loss_space().free == ("distortion",)


def test_the_published_network_trains_through_the_same_loop(folder, tmp_path):
    changes = ["options.channels=4", "options.latents=6", "options.crop=64", f"options.data={folder}",
               "training.steps=3", "training.batch=2"]  # fmt: skip
    result = train(read("published/hyperprior-lct", changes), tmp_path / "run", progress=False, accelerator="cpu")
    assert result.finished
    from yoto import codec

    pixels = np.asarray(Image.open(folder / "train" / "0.png"))
    model = codec.load(tmp_path / "run")
    assert codec.decompress(codec.compress(pixels, model=model, quality=20), model=model).size == (192, 144)


def test_the_second_network_trains_through_the_same_loop(folder, tmp_path):
    changes = [*SMALL, f"options.data={folder}", "training.steps=3", "training.warmup=1"]
    result = train(read("compression/hyperprior-2", changes), tmp_path / "run", progress=False, accelerator="cpu")
    assert result.finished
    loaded = bundle.load(tmp_path / "run")
    assert loaded.header.info["fingerprint"] == fingerprint(loaded.conditional, loaded.extras).hex()
    from yoto import codec

    model = codec.load(tmp_path / "run")
    pixels = np.asarray(Image.open(folder / "train" / "0.png"))
    assert codec.decompress(codec.compress(pixels, model=model), model=model).size == (192, 144)


def test_ms_ssim_trains_through_the_same_loop(folder, tmp_path):
    changes = [*SMALL, f"options.data={folder}", "training.steps=3", "training.warmup=1"]
    recipe = read("compression/hyperprior-ms-ssim", changes)
    assert train(recipe, tmp_path / "run", progress=False, accelerator="cpu").finished


def test_the_picture_is_a_decoded_photograph():
    task = CompressionTask({"channels": 8, "latents": 12})
    picture = task.picture(task.network().eval(), seed=0)
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8
