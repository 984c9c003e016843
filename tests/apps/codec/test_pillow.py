"""Pillow opens and saves .yoto files."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

import yoto.pillow  # noqa: F401 - registers the format
from apps.codec.golden import DATA, GOLDEN, opened
from yoto import codec


@pytest.mark.parametrize("name", GOLDEN)
def test_open(name, here):
    with Image.open(DATA / f"{name}.yoto") as image:
        assert image.format == "YOTO"
        expected = opened(DATA / f"{name}.png")
        assert (image.size, image.mode) == (expected.size, expected.mode)
        assert abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 1
        assert image.convert("RGB").resize((5, 5)).size == (5, 5)


def test_save(here, tiny, photo, tmp_path):
    image = Image.fromarray(photo)
    image.save(tmp_path / "photo.yoto", quality=30, model=tiny)
    data = (tmp_path / "photo.yoto").read_bytes()
    assert data == codec.compress(photo, quality=30, model=tiny)
    buffer = io.BytesIO()
    image.save(buffer, "YOTO", size=2000, model=tiny)
    assert buffer.tell() <= 2000
    assert Image.open(buffer).size == image.size


def test_damaged_files_say_what_is_wrong(here):
    data = (DATA / "rgb.yoto").read_bytes()
    for bad in (data[:-1], data[:40], data[:100] + b"\0" + data[101:]):
        with pytest.raises(OSError, match="damaged: its checksum .* cut short, or changed"):
            Image.open(io.BytesIO(bad))


def test_a_missing_model_is_an_error_on_loading():
    with Image.open(DATA / "rgb.yoto") as image, pytest.raises(OSError, match="which is not here"):
        image.load()


def test_opening_does_not_import_torch():
    file = str(DATA / "rgb.yoto")
    text = f"import sys, yoto.pillow; from PIL import Image; Image.open({file!r}); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout == "False\n"


def test_images_survive_pickling(here):
    import pickle

    with Image.open(DATA / "rgb.yoto") as image:
        again = pickle.loads(pickle.dumps(image))
    assert np.array_equal(np.asarray(again), np.asarray(opened(DATA / "rgb.yoto")))


def test_a_profile_given_to_save_is_kept(here, tiny, photo):
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "YOTO", model=tiny, icc_profile=b"profile")
    assert codec.inspect(buffer.getvalue()).icc == b"profile"


def turned_jpeg(orientation):
    y, x = np.mgrid[0:64, 0:96]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    buffer = io.BytesIO()
    Image.fromarray(np.stack([x, y, x + y], -1).astype(np.uint8)).save(buffer, "JPEG", exif=exif, quality=98)
    return Image.open(buffer)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(buffer)


@pytest.mark.parametrize("given", ["as bytes", "as an object", "another orientation"])
def test_exif_is_as_webps_plugin_has_it(given, tiny, here):
    image = turned_jpeg(6)
    exif = image.info["exif"] if given == "as bytes" else image.getexif()
    if given == "another orientation":
        exif[0x0112] = 3
    theirs, ours = saved(image, "WEBP", exif=exif), saved(image, "YOTO", exif=exif, model=tiny)
    assert ours.size == theirs.size
    assert dict(ours.getexif()) == dict(theirs.getexif())
    upright = [ImageOps.exif_transpose(each).convert("RGB") for each in (ours, theirs)]
    assert upright[0].size == upright[1].size
    assert abs(np.asarray(upright[0]).astype(int) - np.asarray(upright[1])).mean() < 8  # the tiny codec is coarse


def test_without_exif_pictures_are_stored_upright(tiny, here):
    for orientation in (1, 6, 8):
        image = turned_jpeg(orientation)
        for options in ({}, {"keep_exif": True}, {"exif": None}, {"exif": b""}):
            ours = saved(image, "YOTO", model=tiny, **options)
            assert ours.size == ImageOps.exif_transpose(image).size
            assert dict(ours.getexif()) == ({0x0112: 1, 0x010F: "maker"} if "keep_exif" in options else {})


def test_a_profile_is_kept_or_dropped_as_asked(tiny, photo, here):
    image = Image.fromarray(photo)
    image.info["icc_profile"] = b"own"
    for options, expected in (({}, b"own"), ({"icc_profile": None}, None), ({"icc_profile": b""}, None)):
        assert saved(image, "YOTO", model=tiny, **options).info.get("icc_profile") == expected
        assert saved(image, "PNG", **options).info.get("icc_profile") == expected


@pytest.mark.parametrize("name", ["quality", "bpp", "psnr", "size"])
@pytest.mark.parametrize("value", ["high", b"1", [1], True, float("nan"), float("inf"), -1])
def test_options_of_a_wrong_kind_are_said(tiny, photo, name, value):
    with pytest.raises(ValueError, match=f"`{name}` should .*Found"):
        Image.fromarray(photo).save(io.BytesIO(), "YOTO", model=tiny, **{name: value})


@pytest.mark.parametrize("name", ["exif", "icc_profile"])
@pytest.mark.parametrize("value", [5, "text", [1, 2]])
def test_metadata_of_a_wrong_kind_are_said(tiny, photo, name, value):
    with pytest.raises(ValueError, match=f"`{name}` should be bytes, or None to leave it out. Found"):
        saved(Image.fromarray(photo), "YOTO", model=tiny, **{name: value})


def test_exif_without_their_prefix_get_it(tiny, photo, here):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    for given in (exif.tobytes(), exif.tobytes()[6:], bytearray(exif.tobytes()), b"Exif\0\0" + exif.tobytes()):
        assert saved(Image.fromarray(photo), "YOTO", model=tiny, exif=given).info["exif"] == exif.tobytes()
