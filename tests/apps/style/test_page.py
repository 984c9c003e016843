"""The page of style transfer, with a small model."""

import io

import numpy as np
import pytest
from PIL import Image

from apps.style import toy
from web import samples
from yoto import bundle, stylize
from yoto.apps.style.page import PREVIEW, Style, strength_curves
from yoto.apps.style.painting.bank import open_bank
from yoto.data.images import shrunk
from yoto.errors import YotoError
from yoto.web import site, uploads
from yoto.web.errors import StoppedError

PLAIN = {"strength": 0.7, "layers": {}, "smoothness": None, "keep_colours": False}


def opened(outcome):
    with Image.open(io.BytesIO(outcome.picture)) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("weights", "changes"),
    [
        ({"dots": 1.0}, {}),
        ({"dots": 0.3, "stripes": 0.7}, {"strength": 0.2}),
        ({"stripes": 1.0}, {"layers": {"fine": 1.5}, "keep_colours": True}),
    ],
)
def test_a_painting_is_the_painters(style, upload, weights, changes):
    settings = PLAIN | changes
    made = style.paint(upload, weights, **settings)
    expected = stylize.load(style.name)(upload.pixels, weights, **settings)
    np.testing.assert_array_equal(opened(made), expected)
    facts = made.facts
    assert (facts["width"], facts["height"], facts["preview"]) == (64, 48, False)


def test_every_slider_changes_the_picture(style, upload):
    info = style.info()
    first = opened(style.paint(upload, {"dots": 1.0}, **PLAIN))
    for slider in info["sliders"]:
        name = slider["name"]
        changed = {"smoothness": slider["high"]} if name == "smoothness" else {"layers": {name: slider["high"]}}
        assert (opened(style.paint(upload, {"dots": 1.0}, **PLAIN | changed)) != first).any(), name


def test_a_preview_is_small(style):
    large = uploads.Shown(uploads.decoded(samples.png(200, PREVIEW + 60)))
    for side in (200, PREVIEW):
        made = style.paint(large.preview(side), {"dots": 1.0}, **PLAIN, preview=True)
        assert samples.inline(made.inline).shape[1] == side
        assert made.picture == b""


def test_transparency_is_kept(style):
    image = samples.picture()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = uploads.decoded(samples.coded(image, "PNG"))
    for made in (
        style.paint(picture, {"dots": 1.0}, **PLAIN).picture,
        samples.inline_bytes(style.paint(picture, {"dots": 1.0}, **PLAIN, preview=True).inline),
    ):
        with Image.open(io.BytesIO(made)) as found:
            np.testing.assert_array_equal(np.asarray(found)[..., 3], np.asarray(image)[..., 3])


def test_work_that_nobody_waits_for_ends(style, upload):
    with pytest.raises(StoppedError):
        style.paint(upload, {"dots": 1.0}, **PLAIN, stopped=lambda: True)


@pytest.mark.parametrize(
    ("weights", "changes", "expected"),
    [
        ({"nothing": 1.0}, {}, "`style` should be one of dots, stripes. Found 'nothing'"),
        ({"dots": -1.0}, {}, "Weights of styles should be ≥ 0"),
        ({"dots": 1.0}, {"layers": {"odd": 1.0}}, "`layer` should be one of"),
        ({"dots": 1.0}, {"layers": {"fine": 1e6}}, "fine"),
        ({"dots": 1.0}, {"smoothness": 0.0}, "smoothness"),
    ],
)
def test_settings_out_of_range_are_refused(style, upload, weights, changes, expected):
    with pytest.raises(YotoError, match=expected):
        style.paint(upload, weights, **PLAIN | changes)


def test_the_page_is_told_of_styles_and_sliders(style):
    info = style.info()
    assert [each["name"] for each in info["styles"]] == list(toy.NAMES)
    assert [slider["name"] for slider in info["sliders"]] == ["fine", "mid", "coarse", "coarser", "smoothness"]
    assert all(slider["low"] < slider["value"] < slider["high"] for slider in info["sliders"])
    assert info["curve"] is None


def test_thumbnails_are_those_in_the_file(style):
    for each in style.info()["styles"]:
        thumbnail = style.thumbnail(each["name"])
        assert each["thumbnail"] == (thumbnail is not None)
        if thumbnail is not None:
            with Image.open(io.BytesIO(thumbnail)) as image:
                assert image.format == "JPEG"
    assert style.thumbnail("nothing") is None


def test_a_painting_that_does_not_come_along_is_stood_for_by_a_photograph_in_its_manner():
    page = Style()
    hidden = [each["name"] for each in page.info()["styles"] if not each["thumbnail"]]
    assert hidden == ["starry-night"]
    assert page.tile("nothing") is None
    assert page.tile("great-wave") == page.thumbnail("great-wave")
    pixels = np.asarray(Image.open(io.BytesIO(page.tile("starry-night"))).convert("RGB")).astype(int)
    photograph = shrunk(uploads.sample(site.FIRST).pixels, 240, quick=True)[:160, -160:]
    painted = stylize.load(page.name)(photograph, "starry-night", strength=1.0).astype(int)
    assert abs(pixels - painted).mean() < 8  # as JPEG
    assert abs(photograph - painted).mean() > 16


def test_the_curve_of_the_bundled_model_is_one_line_over_the_strength():
    info = Style().info()
    curve, weight = info["curve"], info["weight"]
    along = [point["style"] for point in curve["points"]]
    assert len(along) > 2
    assert along == sorted(set(along))
    assert weight["low"] * 0.999 <= along[0] < along[-1] <= weight["high"] * 1.001
    assert {len(values) for values in curve["series"].values()} == {len(along)}
    assert curve["shown"] in [each["name"] for each in info["styles"]]
    content, painted = curve["series"]["content"], curve["series"]["style"]
    assert content[0] < content[-1]
    assert painted[0] > painted[-1]


def test_points_that_differ_in_more_than_the_strength_are_left_out():
    bank = open_bank("style/bank")
    points = [
        {"style": 2.0, "fine": 1.0, "painting:b": 1.0},
        {"style": 1.0, "fine": 1.0, "painting:b": 1.0},
        {"style": 3.0, "fine": 2.0, "painting:b": 1.0},
    ]
    curve = {"points": points, "series": {"loss": [1.0, 2.0, 3.0]}}
    found = strength_curves(curve, bank)
    assert found["points"] == [{"style": 1.0}, {"style": 2.0}]
    assert found["series"] == {"loss": [2.0, 1.0]}
    assert found["shown"] == "b"


def test_another_models_file_is_refused():
    with pytest.raises(YotoError, match="A style model"):
        Style(str(bundle.read_header("vae/shapes").path))
