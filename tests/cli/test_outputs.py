"""Where a command writes: links, devices, long names, full disks."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yoto.data.photographs import BUNDLED

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX files")


@pytest.fixture
def sample(yoto, model):
    return lambda *arguments: yoto("sample", "--beta", "4", "-n", "2", "--model", model, *arguments)


def test_a_link_to_nothing_is_refused_without_force(sample, tmp_path):
    (tmp_path / "link.png").symlink_to("nowhere.png")
    code, _, err = sample("-o", "link.png")
    assert code == 2
    assert "'link.png' is a link to" in err
    assert "which does not exist; --force writes there" in err
    assert not (tmp_path / "nowhere.png").exists()
    assert sample("-o", "link.png", "--force").code == 0
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "nowhere.png").exists()


def test_force_keeps_mode_and_link(sample, tmp_path):
    (tmp_path / "private.png").touch()
    (tmp_path / "private.png").chmod(0o600)
    (tmp_path / "link.png").symlink_to("private.png")
    assert sample("-o", "link.png", "--force").code == 0
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "private.png").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "private.png").stat().st_size


def test_a_name_that_is_too_long_is_refused_before_the_work(sample, monkeypatch):
    monkeypatch.setattr("yoto.apps.vae.commands.load_vae", None)
    for output in ("n" * 252 + ".png", "n" * 300 + "/a.png"):
        code, _, err = sample("-o", output)
        assert code == 2
        assert err.rstrip().endswith("cannot be written: File name too long; see yoto sample --help")


def test_the_longest_name_works(sample, tmp_path):
    assert sample("-o", "n" * 251 + ".png").code == 0
    assert (tmp_path / ("n" * 251 + ".png")).exists()


def test_a_result_whose_name_would_be_too_long_is_refused_before_the_work(yoto, model, tmp_path, monkeypatch):
    for name in ("s" * 254, "a"):
        Image.new("L", (8, 8)).save(tmp_path / name, "PNG")
    monkeypatch.setattr("yoto.apps.vae.commands.load_vae", None)
    code, _, err = yoto("reconstruct", "s" * 254, "a", "-o", "out", "--beta", "4", "--model", model)
    assert code == 2
    assert "File name too long" in err


def test_dev_null_takes_any_result(sample):
    for arguments in ((), ("--force",)):
        code, _, err = sample("-o", "/dev/null", *arguments)
        assert (code, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_a_full_disk_names_the_file(sample):
    code, _, err = sample("-o", "/dev/full")
    assert (code, err) == (1, "yoto sample: /dev/full: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
@pytest.mark.parametrize("output", ["-", "/dev/full"])
def test_a_full_disk_is_no_bad_input(output):
    command = [sys.executable, "-m", "yoto", "compress", str(BUNDLED / "casa-mila.webp"), "-o", output]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    named = "standard output" if output == "-" else output
    assert (done.returncode, done.stderr) == (1, f"yoto compress: {named}: No space left on device\n")


def test_dev_stdout_is_standard_output(model, tmp_path):
    command = [sys.executable, "-m", "yoto", "sample", "--beta", "4", "--model", model, "-o", "/dev/stdout"]
    piped = subprocess.run(command, capture_output=True, check=True).stdout
    assert Image.open(io.BytesIO(piped)).format == "PNG"
    with (tmp_path / "file.png").open("wb") as file:
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "file.png").read_bytes() == piped


def test_exif_data_do_not_say_how_a_tiff_file_is_laid_out(tmp_path):
    """Those of a JPEG file may have width, colour model and compression of an earlier version of it."""
    from yoto.cli import pictures

    exif = Image.Exif()
    for tag, value in {
        256: 7,
        257: 3,
        258: 1,
        259: 5,
        262: 6,
        273: 1,
        277: 4,
        317: 2,
        34675: b"p",
        270: "words",
    }.items():
        exif[tag] = value
    exif[0x010F] = "Zürich".encode()
    exif.get_ifd(0x8769)[0x920A] = 35.0
    for mode in ("RGB", "L", "RGBA", "LA"):
        image = Image.linear_gradient("L").resize((40, 30)).convert(mode)
        image.info["exif"] = exif.tobytes()
        (tmp_path / "x.tif").write_bytes(pictures.encoded(image, tmp_path / "x.tif"))
        with Image.open(tmp_path / "x.tif") as again:
            assert (again.mode, again.size, again.tobytes()) == (mode, (40, 30), image.tobytes())
            assert again.getexif()[270] == "words"
            assert again.getexif()[0x010F].encode("latin-1").decode() == "Zürich"
            assert again.getexif().get_ifd(0x8769)[0x920A] == 35
            assert "icc_profile" not in again.info


def test_a_format_without_exif_data_is_turned_instead(tmp_path):
    """As Pillow's `save(exif=…)` stores pixels as they lie."""
    from yoto.cli import pictures

    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.linear_gradient("L").resize((40, 30))
    image.info["exif"] = exif.tobytes()
    (tmp_path / "x.bmp").write_bytes(pictures.encoded(image, tmp_path / "x.bmp"))
    with Image.open(tmp_path / "x.bmp") as again:
        assert again.tobytes() == image.transpose(Image.Transpose.ROTATE_270).tobytes()
        assert again.size == (30, 40)


def test_a_format_without_profiles_gets_the_colours_instead(tmp_path):
    """By a profile whose red is sRGB's blue and the other way round, under a name of its own."""
    from PIL import ImageCms

    from yoto.cli import pictures

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"\0new", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"\0new", b"bXYZ", 1)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    image = Image.merge("RGB", [Image.linear_gradient("L"), Image.new("L", (256, 256), 90), Image.radial_gradient("L")])
    exchanged = Image.merge("RGB", image.split()[::-1])
    for profile, seen in ((swapped, exchanged), (srgb, image), (b"damaged", image)):
        image.info["icc_profile"] = profile
        (tmp_path / "x.bmp").write_bytes(pictures.encoded(image, tmp_path / "x.bmp"))
        with Image.open(tmp_path / "x.bmp") as again:
            difference = np.abs(np.asarray(again, int) - np.asarray(seen, int))
            assert difference.max() <= (1 if profile == swapped else 0)
    grey = Image.linear_gradient("L")
    grey.info["icc_profile"] = swapped
    (tmp_path / "x.bmp").write_bytes(pictures.encoded(grey, tmp_path / "x.bmp"))
    with Image.open(tmp_path / "x.bmp") as again:
        assert (again.mode, again.tobytes()) == ("L", grey.tobytes())
