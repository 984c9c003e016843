"""Colour profiles stay where they still hold; CMYK with one is read through it."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from yoto.data.images import of_image, read_photograph, read_picture
from yoto.errors import YotoError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(mode):
    levels = np.random.default_rng(0).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(levels).convert(mode)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_profile_is_kept_where_it_still_holds():
    assert read_picture(saved(picture("RGB"), "PNG", icc_profile=SRGB)).icc == SRGB
    assert read_picture(saved(picture("CMYK"), "JPEG", icc_profile=SRGB)).icc == b""
    for mode in ("YCbCr", "HSV", "RGBX", "L"):
        image = picture(mode)
        image.info["icc_profile"] = SRGB
        assert of_image(image).icc == SRGB


@pytest.mark.parametrize("space", [b"CMYK", b"Lab "])
def test_a_profile_of_what_the_picture_was_converted_from_is_left_out(space):
    image = picture("RGB")
    image.info["icc_profile"] = SRGB[:16] + space + SRGB[20:]
    assert of_image(image).icc == b""
    for mode in ("YCbCr", "HSV"):
        image = picture(mode)
        image.info["icc_profile"] = b"not known to be RGB"
        assert of_image(image).icc == b""


def tag(kind: bytes, body: bytes) -> bytes:
    data = kind + bytes(4) + body
    return data + bytes(-len(data) % 4)


def profile(lab) -> bytes:
    """An ICC profile, version 2, whose 16 corners of CMYK have the colours `lab` [16, 3], L in 0 to 100."""
    corners = b"".join(bytes([round(lightness * 2.55), round(a) + 128, round(b) + 128]) for lightness, a, b in lab)
    identity = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    ramps = bytes(range(256))
    lut = tag(b"mft1", bytes([4, 3, 2, 0]) + identity + 4 * ramps + corners + 3 * ramps)
    white = tag(b"XYZ ", struct.pack(">3i", 63190, 65536, 54061))
    text = tag(b"text", b"none\0")
    name = tag(b"desc", struct.pack(">I", 5) + b"test\0" + bytes(78))
    tags = {b"desc": name, b"cprt": text, b"wtpt": white, b"A2B0": lut}
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for key, data in tags.items():
        table += key + struct.pack(">2I", place + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


# Paper is a light cream, every ink halves the lightness, and cyan is a warm red: no naive conversion gives that.
CORNERS = [
    (96 / 2 ** (c + m + y + 2 * k), 40 * c + 2 * y, 20 * c - 30 * m + 6) for c in (0, 1) for m in (0, 1)
    for y in (0, 1) for k in (0, 1)
]  # fmt: skip


@pytest.fixture
def inks():
    y, x = np.mgrid[0:40, 0:48]
    levels = np.stack([x * 5, y * 6, 255 - x * 5, y], -1).astype(np.uint8)
    image = Image.fromarray(levels, "CMYK")
    image.info["icc_profile"] = profile(CORNERS)
    return image


def managed(image) -> np.ndarray:
    made = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])), ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )  # fmt: skip
    return np.asarray(made).astype(int)


def test_the_profile_is_applied_and_left_out(inks):
    picture = of_image(inks)
    expected = managed(inks)
    assert abs(picture.pixels.astype(int) - expected).max() == 0
    assert abs(np.asarray(inks.convert("RGB")).astype(int) - expected).mean() > 30
    assert picture.icc == b""


def test_an_ink_has_the_colour_that_the_profile_says():
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    image.info["icc_profile"] = profile(CORNERS)
    # Lab (48, 40, 26) under D50 by the formulae of CIE and sRGB; the intent scales dark colours a little.
    assert abs(of_image(image).pixels.astype(int) - [181, 83, 73]).max() <= 6


def test_a_file_is_turned_too_and_training_reads_it_alike(inks, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "inks.jpg"
    inks.save(path, icc_profile=inks.info["icc_profile"], exif=exif)
    with Image.open(path) as stored:
        pixels = of_image(stored).pixels
        expected = managed(stored)
    assert pixels.shape == (48, 40, 3)
    assert np.array_equal(np.rot90(pixels), expected)
    assert np.array_equal(read_photograph(path), pixels)


def test_without_a_profile_as_pillow_converts():
    image = Image.fromarray(np.full((4, 4, 4), 60, np.uint8), "CMYK")
    assert np.array_equal(of_image(image).pixels, np.asarray(image.convert("RGB")))


def test_a_profile_of_other_colours_says_nothing_of_inks():
    image = Image.fromarray(np.full((4, 4, 3), (200, 90, 30), np.uint8))
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(of_image(image.convert("CMYK")).pixels, np.asarray(image))


@pytest.mark.parametrize("data", [b"no profile", profile(CORNERS)[:300]])
def test_a_profile_that_cannot_be_applied_is_refused(data):
    image = Image.new("CMYK", (4, 4))
    image.info["icc_profile"] = data
    with pytest.raises(YotoError, match="cannot be applied .*; convert it to RGB first"):
        of_image(image)
