"""The page of the β-VAE."""

import numpy as np
import pytest
import torch

from web import samples
from yoto import bundle
from yoto.apps.vae import page
from yoto.apps.vae.pictures import draw_latents
from yoto.data.pixels import to_bytes
from yoto.errors import YotoError
from yoto.web import uploads

NAMES = ("vae/fashion-mnist", "vae/shapes")


def tiles(pixels, side):
    """The pictures of a strip, row by row."""
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    return [pixels[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(rows) for c in range(columns)]


def near(strip, images, side):
    """Whether a strip shows images [N, C, H, W], up to the rounding of folded weights."""
    expected = to_bytes(images).astype(int)
    found = np.stack(tiles(strip, side)).astype(int)
    assert found.shape == expected.shape
    assert abs(found - expected).max() <= 1


@pytest.mark.parametrize("columns", [None, 1, 2, 3, 6])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_lays_its_pictures_in_rows(columns, channels):
    images = torch.rand(6, channels, 5, 4)
    found = page.strip(images, columns)
    across = columns or 6
    assert found.shape == (5 * (6 // across), 4 * across, 3)
    pixels = to_bytes(images)
    for number in range(6):
        row, column = divmod(number, across)
        for y in range(5):
            for x in range(4):
                assert (found[5 * row + y, 4 * column + x] == pixels[number, y, x]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beta", [0.9, 20.0])
def test_strips_are_what_the_task_makes(vae, name, beta):
    facts, strips = vae.show(name, beta, seed=3, traverse=2)
    loaded = bundle.load(name)
    task, net = loaded.task, loaded.conditional.bake(kl=beta).eval()
    side = task.options.image[0]
    images = page.examples(task)
    assert len(images) == page.COUNT
    near(strips["originals"], images, side)
    with torch.no_grad():
        reconstructed = task.likelihood.reconstruct(net, images)
        near(strips["reconstructions"], reconstructed, side)
        near(strips["samples"], task.likelihood.decode(net, draw_latents(page.COUNT, task.options.latents, 3)), side)
        mean, sigma = net.encode(task.likelihood.scaled(images))
        rows = []
        for dimension in sigma[2].argsort()[: page.DIMENSIONS].tolist():
            for step in range(page.STEPS):
                z = mean[2].clone()
                z[dimension] = -page.SPAN + 2 * page.SPAN * step / (page.STEPS - 1)
                rows.append(z)
        near(strips["traversals"], task.likelihood.decode(net, torch.stack(rows)), side)
    error = (reconstructed - images).square().mean().item()
    assert facts["psnr"] == pytest.approx(-10 * np.log10(error), abs=0.01)
    kl = 0.5 * (mean**2 + sigma**2 - 1 - 2 * sigma.log()).sum(dim=1).mean()
    assert facts["kl"] == pytest.approx(kl.item(), rel=1e-3)
    assert facts["beta"] == beta
    assert facts["traversed"] == 2
    assert len(set(facts["dimensions"])) == len(facts["dimensions"])
    assert 1 <= facts["active"] <= task.options.latents


def test_it_answers_for_every_beta_from_one_network(vae):
    first = vae.show("vae/fashion-mnist", 1.0)[1]
    other = vae.show("vae/fashion-mnist", 60.0)[1]
    again = vae.show("vae/fashion-mnist", 1.0)[1]
    assert (first["originals"] == other["originals"]).all()
    for name in ("reconstructions", "samples", "traversals"):
        assert (first[name] == again[name]).all()
        assert (first[name] != other[name]).any()


def test_a_higher_beta_means_less_information(vae):
    kl = [vae.show("vae/fashion-mnist", beta)[0]["kl"] for beta in (0.5, 2.0, 8.0, 32.0, 128.0)]
    assert kl == sorted(kl, reverse=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_ones_own_comes_first(vae, name):
    picture = uploads.decoded(samples.png(60, 100))
    side = vae.ready(name).task.options.image[0]
    plain = tiles(vae.show(name, 4.0)[1]["originals"], side)
    facts, strips = vae.show(name, 4.0, picture=picture)
    found = tiles(strips["originals"], side)
    assert len(found) == len(plain) == page.COUNT
    assert (found[0] != plain[0]).any()
    np.testing.assert_array_equal(found[1:], plain[:-1])
    assert facts["traversed"] == 0


def test_the_middle_of_a_picture_is_taken(vae):
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:80] = 200
    picture = uploads.decoded(uploads.png(pixels))
    own = page.with_own(vae.ready("vae/fashion-mnist").task, picture, None)
    assert own.shape == (1, 1, 28, 28)
    assert (own * 255 - 200).abs().max() < 10


def test_pictures_beyond_the_last_are_the_last(vae):
    assert vae.show("vae/fashion-mnist", 1.0, traverse=99)[0]["traversed"] == page.COUNT - 1


def test_without_examples_there_are_samples(vae, monkeypatch):
    monkeypatch.setattr(vae.ready("vae/fashion-mnist"), "examples", None)
    facts, strips = vae.show("vae/fashion-mnist", 1.0)
    assert set(strips) == {"samples"}
    assert set(facts) == {"beta"}


@pytest.mark.parametrize("beta", [0.0, -1.0, 0.1, 1e9])
def test_a_beta_out_of_range_is_refused(vae, beta):
    with pytest.raises(YotoError, match="kl"):
        vae.show("vae/fashion-mnist", beta)


def test_an_unknown_model_is_refused(vae):
    with pytest.raises(YotoError, match="The model should be one of vae/fashion-mnist, vae/shapes. Found another."):
        vae.show("vae/nothing", 1.0)


def test_another_models_file_is_refused():
    with pytest.raises(YotoError, match="A VAE trained for a range of β"):
        page.Autoencoders(("compression/photo",))


def test_the_page_is_told_of_both_models(vae):
    info = vae.info()
    assert [each["model"] for each in info["models"]] == list(NAMES)
    for each in info["models"]:
        assert each["beta"]["scale"] == "log"
        assert each["beta"]["low"] < each["beta"]["value"] < each["beta"]["high"]
        assert each["side"] in (28, 64)
        assert {"reconstruction", "kl"} <= set(each["curve"]["series"])
