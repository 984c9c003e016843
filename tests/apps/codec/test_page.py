"""The page of the codec."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from web import samples
from yoto import codec
from yoto.apps.codec.page import CLASSICS, PREVIEW, Compression, classic, last_below, tiles_of
from yoto.data.pixels import psnr_of
from yoto.errors import YotoError
from yoto.web import uploads
from yoto.web.errors import StoppedError


def opened(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40).map(sorted), st.integers(-5, 60), st.integers(-3, 3))
def test_last_below_finds_the_last(values, most, low):
    tried = []

    def value(number):
        tried.append(number)
        return values[number - low]

    found = last_below(value, most, low, low + len(values) - 1)
    assert found == max((low + i for i, v in enumerate(values) if v <= most), default=low)
    assert len(tried) <= len(values).bit_length()


@pytest.mark.parametrize("kind", CLASSICS)
@pytest.mark.parametrize("size", [1, 900, 1500, 2500, 4000, 10**6])
def test_the_file_beside_is_the_best_of_its_size(kind, size):
    pixels = np.asarray(samples.picture(96, 96))
    files = {}
    for quality in range(1, 96):
        files[quality] = samples.coded(Image.fromarray(pixels), kind, quality=quality, **CLASSICS[kind])
    best = max((q for q, data in files.items() if len(data) <= size), default=1)
    found = classic(pixels, kind, size)
    assert found.facts["quality"] == best
    assert found.file == files[best]
    assert found.facts["fits"] == (len(files[best]) <= size)
    decoded = opened(files[best])
    np.testing.assert_array_equal(opened(found.picture), decoded)
    assert found.facts["psnr"] == pytest.approx(psnr_of(decoded, pixels))
    assert (found.facts["bytes"], found.facts["bpp"]) == (len(files[best]), 8 * len(files[best]) / 96**2)


@pytest.mark.parametrize("target", [{"quality": 40}, {"bpp": 1.0}, {"psnr": 30.0}, {"size": 900.0}])
def test_facts_are_those_of_the_codec(compression, upload, target):
    made = compression.encode(upload, target)
    options = {name: int(value) if name == "size" else value for name, value in target.items()}
    coded = codec.encode(upload, **options)
    assert made.file == coded.data
    decoded = np.asarray(codec.decompress(coded.data))
    np.testing.assert_array_equal(opened(made.picture), decoded)
    assert made.facts["quality"] == coded.quality
    assert (made.facts["bytes"], made.facts["bpp"]) == (len(coded.data), coded.bpp)
    assert made.facts["psnr"] == pytest.approx(psnr_of(decoded, upload.pixels))
    assert (made.facts["width"], made.facts["height"]) == (64, 48)


def test_a_preview_is_small_and_no_file(compression):
    large = uploads.Shown(uploads.decoded(samples.png(300, PREVIEW + 100)))
    for side in (200, PREVIEW):
        made = compression.preview(large.preview(side), 30)
        assert samples.inline(made.inline).shape[1] == made.facts["width"] == side
        assert made.file == made.picture == b""


@pytest.mark.parametrize("quality", [0, 37, 100])
def test_figures_are_those_of_the_file_where_the_whole_picture_is_measured(compression, upload, quality):
    found, made = compression.figures(upload, quality), compression.encode(upload, {"quality": quality})
    assert found["whole"]
    assert found["bytes"] == len(codec.encode(upload.pixels, quality=quality).data)
    assert found["psnr"] == pytest.approx(made.facts["psnr"])


def test_a_sample_of_tiles_stands_for_a_large_picture():
    pixels = np.arange(1024 * 2048 * 3, dtype=np.uint32).reshape(1024, 2048, 3).astype(np.uint8)
    found = tiles_of(pixels, 1024 * 512)
    assert found.shape == (512, 1024, 3)
    np.testing.assert_array_equal(found[:256, :256], pixels[:256, :256])
    np.testing.assert_array_equal(found[-256:, -256:], pixels[-256:, -256:])
    assert tiles_of(pixels, pixels.size) is pixels


def test_work_that_nobody_waits_for_ends(compression, upload):
    asked = []

    def stopped():
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(StoppedError):
        compression.encode(upload, {"quality": 30}, lambda: True)
    with pytest.raises(StoppedError):
        classic(upload.pixels, "JPEG", 800, stopped)
    assert len(asked) == 3


def test_transparency_travels_in_the_file(compression):
    image = samples.picture()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    made = compression.encode(uploads.decoded(samples.coded(image, "PNG")), {"quality": 30})
    found = codec.decompress(made.file)
    np.testing.assert_array_equal(np.asarray(found)[..., 3], np.asarray(image)[..., 3])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, "One of quality"),
        ({"quality": 40, "bpp": 1.0}, "One of quality"),
        ({"quality": 101}, "The quality should lie in 0 to 100. Found 101"),
        ({"psnr": -1.0}, "A PSNR should be above 0"),
        ({"size": 10.0}, "A size of 10 bytes is out of this codec's reach"),
        ({"bpp": 1e-4}, "A rate of 0.0001 is out of this codec's reach"),
        ({"psnr": 90.0}, "A PSNR of 90 is out of this codec's reach"),
    ],
)
def test_targets_out_of_reach_are_refused(compression, upload, target, expected):
    with pytest.raises(YotoError, match=expected):
        compression.encode(upload, target)


def test_a_file_is_decoded(compression, upload):
    coded = codec.encode(upload, quality=60)
    made = compression.decode(coded.data)
    np.testing.assert_array_equal(opened(made.picture), np.asarray(codec.decompress(coded.data)))
    assert made.facts["quality"] == pytest.approx(coded.quality, abs=0.2)
    assert (made.facts["bytes"], made.facts["width"], made.facts["height"]) == (len(coded.data), 64, 48)


def test_a_damaged_file_is_refused(compression, upload):
    data = codec.compress(upload, quality=60)
    for broken in (b"", b"no file", data[:10], data[:-9], data[:60] + bytes(9) + data[69:], data + b"x"):
        with pytest.raises(YotoError):
            compression.decode(broken)


def test_a_file_of_too_many_pixels_is_refused_unread(compression, upload, monkeypatch):
    monkeypatch.setattr(uploads, "PIXELS", 64 * 48 - 1)
    with pytest.raises(YotoError, match="million pixels. Found 64x48"):
        compression.decode(codec.compress(upload))


def test_the_page_is_told_of_the_model(compression):
    info = compression.info()
    assert info["model"] == "compression/photo"
    assert info["range"] == {"low": 0.0005, "high": 1.2}
    assert info["replaces"] == 256
    assert {"rate", "psnr"} < set(info["curve"]["series"])


def test_an_unknown_model_is_refused():
    with pytest.raises(YotoError, match="compression/nothing"):
        Compression("compression/nothing")


def test_targets_are_searched_for_in_pictures_of_some_size(compression, monkeypatch):
    monkeypatch.setattr("yoto.apps.codec.page.SEARCHED", 48 * 64 - 1)
    large = uploads.decoded(samples.png(48, 64))
    with pytest.raises(YotoError, match="at most 0 million pixels. Found 64x48"):
        compression.encode(large, {"psnr": 30.0})
    assert compression.encode(large, {"quality": 30.0}).file


def test_files_with_large_tiles_are_refused(compression, upload):
    data = codec.compress(upload, quality=50, tile=2048)
    with pytest.raises(YotoError, match="tiles of at most 1024 pixels. Found 2048"):
        compression.decode(data)


def test_webp_files_have_a_widest_side():
    with pytest.raises(YotoError, match="at most 16383 pixels along a side. Found 16384x1"):
        classic(np.zeros((1, 16384, 3), np.uint8), "WebP", 1000)
