"""Pillow opens and saves .yoto files."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

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


def test_damaged_files_are_no_images(here):
    data = (DATA / "rgb.yoto").read_bytes()
    for bad in (data[:-1], data[:40], data[:100] + b"\0" + data[101:]):
        with pytest.raises(UnidentifiedImageError):
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
