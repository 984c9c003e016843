"""Uploads: what is read, what is refused, and that neither costs much."""

import asyncio
import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image, features

from web import samples
from yoto.errors import YotoError
from yoto.web import uploads
from yoto.web.errors import GoneError, TooLargeError

LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "GIF": {}, "WEBP": {"lossless": True}}


def streamed(*parts):
    async def stream():
        for part in parts:
            yield part

    return stream()


def test_a_body_is_put_together():
    assert asyncio.run(uploads.body(streamed(b"ab", b"", b"c"), 3)) == b"abc"


def test_a_body_is_refused_as_soon_as_it_is_too_long():
    taken = []

    async def endless():
        while True:
            taken.append(1)
            yield bytes(2**20)

    with pytest.raises(TooLargeError, match="at most 2 MB. Found more"):
        asyncio.run(uploads.body(endless(), 2 * 2**20))
    assert len(taken) == 3


@pytest.mark.parametrize("kind", LOSSLESS)
def test_formats_without_loss(kind):
    image = samples.picture(20, 30)
    image = image.convert("P") if kind == "GIF" else image
    found = uploads.decoded(samples.coded(image, kind, **LOSSLESS[kind]))
    np.testing.assert_array_equal(found.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_formats_with_loss(kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    image = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    found = uploads.decoded(samples.coded(image, kind, quality=95))
    assert abs(found.pixels.astype(int) - np.asarray(image)).max() < 12


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "Found an empty file"),
        (b"no picture", "Found a format other than PNG"),
        (b"GIF89a", "should be a picture"),
        (bytes(1000), "Found a format other than PNG"),
        (samples.EPS, "Found a format other than PNG"),
        (samples.SVG, "Found a format other than PNG"),
        (b"%PDF-1.7\n", "Found a format other than PNG"),
        (b"PK\x03\x04" + bytes(100), "Found a format other than PNG"),
        (samples.coded(samples.picture(), "PPM"), "Found a format other than PNG"),
        (samples.coded(samples.picture(), "ICO"), "Found a format other than PNG"),
    ],
    ids=["empty", "text", "stub", "zeros", "eps", "svg", "pdf", "zip", "ppm", "ico"],
)
def test_what_is_no_picture_is_refused(data, expected):
    with pytest.raises(YotoError, match=expected):
        uploads.decoded(data)


def test_of_eps_no_program_is_called(monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("called"))
    with pytest.raises(YotoError):
        uploads.decoded(samples.coded(samples.picture(), "EPS"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files_are_refused(kind, share):
    data = samples.coded(samples.picture(), kind)
    with pytest.raises(YotoError, match="should be a picture"):
        uploads.decoded(data[: int(share * len(data))])


@pytest.mark.parametrize(("width", "height"), [(16000, 16000), (6000, 4001), (16385, 1), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_says_it_is_huge_is_refused_before_it_is_decoded(width, height):
    tracemalloc.start()
    try:
        with pytest.raises(YotoError, match=r"million pixels|16384 pixels|damaged"):
            uploads.decoded(samples.bomb(width, height))
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("made", [samples.text_bomb, samples.profile_bomb, samples.many_texts])
def test_packed_metadata_do_not_fill_the_memory(made):
    data = made()
    tracemalloc.start()
    try:
        with pytest.raises(YotoError, match="damaged"):
            uploads.decoded(data)
        assert tracemalloc.get_traced_memory()[1] < 160 * 2**20
    finally:
        tracemalloc.stop()


def test_a_picture_within_the_limits_is_read_whatever_pillow_thinks_of_its_size():
    data = samples.coded(Image.new("L", (6000, 3900)), "PNG")
    assert uploads.decoded(data).pixels.shape == (3900, 6000, 3)


def test_an_animation_is_refused():
    frames = [samples.picture(seed=i) for i in range(3)]
    with pytest.raises(YotoError, match="one still picture. Found several frames"):
        uploads.decoded(samples.coded(frames[0], "GIF", save_all=True, append_images=frames[1:]))


def test_cmyk_becomes_rgb():
    found = uploads.decoded(samples.coded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert abs(found.pixels.astype(int) - [255, 0, 0]).max() < 6
    assert not found.grey


def test_sixteen_bits_become_eight():
    values = np.linspace(0, 65535, 256 * 4).astype(np.uint16).reshape(4, 256)
    found = uploads.decoded(samples.coded(Image.fromarray(values), "PNG"))
    np.testing.assert_array_equal(found.pixels[..., 1], np.round(values / 257).astype(np.uint8))
    assert found.grey


def test_a_palette_with_transparency_keeps_its_alpha():
    image = Image.new("P", (10, 6), 1)
    image.putpalette([0, 0, 0, 10, 20, 30, 40, 50, 60])
    image.paste(2, (0, 0, 5, 6))
    found = uploads.decoded(samples.coded(image, "PNG", transparency=bytes([255, 255, 0])))
    assert found.pixels[0, 0].tolist() == [40, 50, 60]
    assert found.pixels[0, 9].tolist() == [10, 20, 30]
    assert found.alpha[0].tolist() == [0] * 5 + [255] * 5


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_picture_is_turned_upright(orientation, turns):
    image = samples.picture(20, 30)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = uploads.decoded(samples.coded(image, "PNG", exif=exif))
    np.testing.assert_array_equal(found.pixels, np.rot90(np.asarray(image), turns))


def test_png_loses_nothing():
    pixels = np.asarray(samples.picture())
    with Image.open(io.BytesIO(uploads.png(pixels))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_a_large_photograph_is_shrunk(monkeypatch):
    monkeypatch.setattr(uploads, "PIXELS", 1000)
    image = samples.picture()
    image.putalpha(200)
    found = uploads.decoded(samples.coded(image, "PNG"))
    height, width = found.pixels.shape[:2]
    assert 900 < height * width <= 1000
    assert found.alpha.shape == (height, width)
    assert width / height == pytest.approx(64 / 48, rel=0.05)
    monkeypatch.setattr(uploads, "READ", 3000)
    with pytest.raises(YotoError, match="at most 0 million pixels. Found 64x48"):
        uploads.decoded(samples.coded(image, "PNG"))


def test_heic_is_read_where_its_library_is_installed():
    library = pytest.importorskip("pillow_heif")
    image = Image.linear_gradient("L").resize((128, 96)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    buffer = io.BytesIO()
    library.register_heif_opener()
    image.save(buffer, "HEIF", quality=90, exif=exif.tobytes())
    found = uploads.decoded(buffer.getvalue())
    assert found.pixels.shape == (128, 96, 3)
    assert abs(found.pixels.astype(int) - np.rot90(np.asarray(image), -1)).max() < 12
    with pytest.raises(YotoError, match=r"should be a picture"):
        uploads.decoded(buffer.getvalue()[:200])


def test_heic_is_named_where_nothing_reads_it(monkeypatch):
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50)
    monkeypatch.setattr(uploads, "find_spec", lambda name: None)
    with pytest.raises(YotoError, match=r"HEIC.*pillow-heif.*convert the picture to JPEG"):
        uploads.decoded(data)
    assert not uploads.heif(samples.coded(samples.picture(), "AVIF"))


def test_renditions_and_previews_are_made_once():
    image = samples.picture(120, 200)
    image.putalpha(90)
    shown = uploads.Shown(uploads.decoded(samples.coded(image, "PNG")))
    assert shown.webp is shown.webp
    for data in (shown.png, shown.webp):
        with Image.open(io.BytesIO(data)) as found:
            assert (found.size, found.mode) == ((200, 120), "RGBA")
    with Image.open(io.BytesIO(shown.png)) as found:
        np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
    small = shown.preview(100)
    assert small is shown.preview(100)
    assert small.pixels.shape[:2] == small.alpha.shape == (60, 100)
    for side in range(130, 140):
        shown.preview(side)
    assert len(shown.previews) == uploads.PREVIEWS


def test_an_album_keeps_two_pictures_per_client_and_knows_the_samples():
    album = uploads.Album()
    picture = uploads.Shown(uploads.decoded(samples.png()))
    names = [album.add(picture, "a") for _ in range(3)]
    other = album.add(picture, "b")
    with pytest.raises(GoneError, match="This picture is no longer kept here"):
        album.get(names[0])
    assert all(album.get(name) is picture.picture for name in (*names[1:], other))
    known = min(uploads.samples())
    assert album.get(f"sample-{known}").pixels.shape[2] == 3
    for unknown in ("sample-", "sample-../SOURCES", "nothing"):
        with pytest.raises(GoneError):
            album.get(unknown)
