"""Pictures of every kind become what a person expects, or are refused in one line."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from yoto.data import images
from yoto.errors import YotoError

RNG = np.random.default_rng(0)


def picture(mode, size=(9, 6)):
    return Image.fromarray(RNG.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "grey", "transparent"),
    [("RGB", False, False), ("L", True, False), ("RGBA", False, True), ("LA", True, True), ("1", True, False),
     ("P", False, False), ("CMYK", False, False), ("YCbCr", False, False), ("HSV", False, False)],
)  # fmt: skip
def test_modes(mode, grey, transparent):
    image = picture(mode)
    if transparent:
        image.putalpha(Image.fromarray(RNG.integers(0, 255, (6, 9), dtype=np.uint8)))
    made = images.of_image(image)
    assert made.grey == grey
    assert (made.alpha is not None) == transparent
    expected = image.convert("RGBA" if transparent else "RGB")
    assert np.array_equal(made.pixels, np.asarray(expected)[..., :3])
    if transparent:
        assert np.array_equal(made.alpha, np.asarray(image.getchannel("A")))


def test_an_opaque_alpha_channel_is_left_out():
    assert images.of_image(picture("RGBA")).alpha is None


def test_palette_transparency_becomes_alpha():
    image = picture("P")
    image.info["transparency"] = 0
    data = saved(image, "PNG", transparency=int(np.asarray(image)[2, 3]))
    made = images.read_picture(data)
    assert made.alpha is not None
    assert made.alpha[2, 3] == 0


def test_16_bits_are_rounded_to_8():
    values = np.array([[0, 128, 129, 65535, 32896]], dtype=np.uint16)
    made = images.read_picture(saved(Image.fromarray(values), "PNG"))
    assert made.grey
    assert made.pixels[0, :, 0].tolist() == [0, 0, 1, 255, 128]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_files_whose_white_is_0_are_positive(dtype, orientation, tmp_path):
    values = (np.arange(20).reshape(4, 5) * 12).astype(np.uint8)
    stored = Image.fromarray(values if dtype == np.uint8 else 65535 - values.astype(np.uint16) * 257)
    stored.save(tmp_path / "x.tif", tiffinfo={262: 0, 274: orientation})  # which turns those of 8 bits itself
    expected = values if orientation == 1 else np.rot90(values, -1)
    assert np.array_equal(images.read_picture(tmp_path / "x.tif").pixels[..., 0], expected)
    assert np.array_equal(images.read_photograph(tmp_path / "x.tif")[..., 0], expected)


@pytest.mark.parametrize("value", [-1, 65536, 2**31 - 1])
def test_values_that_16_bits_do_not_hold_are_refused(value, tmp_path):
    """Clamped they would be black or white: nobody knows what they stand for."""
    data = saved(Image.fromarray(np.array([[0, 300, value]], np.int32)), "TIFF")
    (tmp_path / "x.tif").write_bytes(data)
    for read in (images.read_picture, images.read_photograph):
        with pytest.raises(YotoError, match=f"should have values from 0 to 65535. Found .*{value}"):
            read(tmp_path / "x.tif")


def test_the_orientation_is_applied_and_exif_left_out_unless_asked():
    image = picture("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    data = saved(image, "JPEG", exif=exif.tobytes(), quality=100, subsampling=0)
    made = images.read_picture(data)
    assert made.pixels.shape == (9, 6, 3)
    assert made.exif == b""
    keeping = images.read_picture(data, keep_exif=True)
    assert np.array_equal(keeping.pixels, made.pixels)
    kept = Image.Exif()
    kept.load(keeping.exif)
    assert kept[0x010E] == "a description"
    assert kept[0x0112] == 1


def test_palettes_with_alpha_of_their_own():
    """As Targa files have them."""
    image = picture("RGBA", (20, 20))
    image.putalpha(Image.linear_gradient("L").resize((20, 20)))
    palette = image.quantize(16, method=Image.Quantize.FASTOCTREE)
    for made in (images.of_image(palette), images.read_picture(saved(palette, "TGA"))):
        expected = np.asarray(palette.convert("RGBA"))
        assert np.array_equal(made.alpha, expected[..., 3])
        assert np.array_equal(made.pixels, expected[..., :3])


def test_greys_with_premultiplied_alpha():
    image = Image.fromarray(RNG.integers(1, 255, (6, 9, 2), dtype=np.uint8), "LA")
    made, expected = images.of_image(image.convert("La")), np.asarray(image.convert("La").convert("LA"))
    assert made.grey
    assert np.array_equal(made.pixels[..., 0], expected[..., 0])
    assert np.array_equal(made.alpha, expected[..., 1])


def test_files_whose_mode_is_known_with_their_pixels_only():
    made = images.read_picture(saved(picture("RGB", (128, 128)), "ICNS"))
    assert (made.alpha, made.pixels.shape) == (None, (1024, 1024, 3))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(kind):
    data = saved(picture("RGB"), kind, save_all=True, append_images=[picture("RGB")], duration=50)
    with pytest.raises(YotoError, match="several frames or pages"):
        images.read_picture(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "format that Pillow does not know"), (b"text", "format that Pillow does not know"),
     (saved(picture("RGB", (60, 60)), "PNG")[:3000], "damaged data"),
     (saved(picture("RGB", (60, 60)), "JPEG")[:700], "damaged data")],
    ids=["empty", "text", "half a PNG", "half a JPEG"],
)  # fmt: skip
def test_damaged_pictures_are_refused(data, message):
    with pytest.raises(YotoError, match=message) as caught:
        images.read_picture(data)
    assert "\n" not in str(caught.value)


def test_unfit_pictures_are_refused(tmp_path):
    with pytest.raises(YotoError, match="floating point"):
        images.of_image(Image.fromarray(np.zeros((3, 3), np.float32)))
    with pytest.raises(YotoError, match="1 to 16384"):
        images.of_image(Image.new("L", (16385, 1)))
    with pytest.raises(YotoError, match="no such file"):
        images.read_picture(tmp_path / "none.png")


def test_the_callers_image_is_left_alone():
    image = picture("RGB")
    image.getexif()[0x0112] = 6
    assert images.of_image(image, keep_exif=True).pixels.shape == (9, 6, 3)
    assert image.getexif()[0x0112] == 6


def test_pictures_above_pillows_own_limit_are_fine(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert images.read_picture(saved(picture("RGB"), "PNG")).pixels.shape == (6, 9, 3)
    assert Image.MAX_IMAGE_PIXELS == 20


def test_whatever_pillow_raises_is_damaged_data(monkeypatch):
    def broken(*arguments, **options):
        raise TypeError("of a parser")

    monkeypatch.setattr(images, "of_image", broken)
    with pytest.raises(YotoError, match="damaged data"):
        images.read_picture(saved(picture("RGB"), "PNG"))


def test_sizes_are_those_that_a_coded_file_can_have():
    from yoto.apps.codec.format import container

    assert images.LARGEST == container.LARGEST
    assert images.LARGEST_CHUNK <= container.LARGEST_CHUNK


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_in_the_header_is_that_of_the_upright_picture(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture("RGB"), "JPEG", exif=exif)
    (tmp_path / "x.jpg").write_bytes(data)
    assert images.size_of(data) == images.size_of(tmp_path / "x.jpg") == images.read_picture(data).pixels.shape[:2]


def test_the_size_of_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(YotoError, match="should be a picture"):
        images.size_of(b"nothing")
    with pytest.raises(YotoError, match="no such file"):
        images.size_of(tmp_path / "missing.png")


def test_limits_on_pixels_and_formats():
    data = saved(picture("RGB", (100, 60)), "PNG")
    assert images.read_picture(data, most=6000, formats=("PNG",)).pixels.shape == (60, 100, 3)
    with pytest.raises(YotoError, match="at most 0 million pixels. Found 100x60"):
        images.read_picture(data, most=5999)
    with pytest.raises(YotoError, match="Found a format other than JPEG, GIF"):
        images.read_picture(data, formats=("JPEG", "GIF"))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "1", "P"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photograph_is_its_colours_upright(tmp_path, mode, orientation):
    image, exif = picture(mode), Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "x.png", exif=exif)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    np.testing.assert_array_equal(
        images.read_photograph(tmp_path / "x.png"), np.rot90(np.asarray(image.convert("RGB")), turns)
    )


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "WEBP")])
def test_coded_photographs_are_what_pillow_makes_of_them(tmp_path, mode, kind):
    (tmp_path / "x").write_bytes(saved(picture(mode), kind))
    with Image.open(tmp_path / "x") as image:
        np.testing.assert_array_equal(images.read_photograph(tmp_path / "x"), np.asarray(image.convert("RGB")))


def test_a_photograph_keeps_the_colours_of_a_palette_whatever_is_transparent(tmp_path):
    image = picture("P")
    image.save(tmp_path / "x.png", transparency=bytes(range(200)))
    np.testing.assert_array_equal(images.read_photograph(tmp_path / "x.png"), np.asarray(image.convert("RGB")))


def test_the_first_frame_of_several_is_a_photograph(tmp_path):
    first = picture("RGB")
    first.save(tmp_path / "x.png", save_all=True, append_images=[picture("RGB")])
    np.testing.assert_array_equal(images.read_photograph(tmp_path / "x.png"), np.asarray(first))


def test_a_jpeg_file_may_be_shrunk_while_it_is_decoded(tmp_path):
    picture("RGB", (640, 320)).save(tmp_path / "x.jpg")
    assert images.read_photograph(tmp_path / "x.jpg", 64).shape == (80, 160, 3)
    assert images.read_photograph(tmp_path / "x.jpg", 320).shape == (320, 640, 3)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_deep_greys_are_photographs(tmp_path, dtype):
    values = np.array([[0, 128, 129, 65535, 32896]], dtype=dtype)
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert images.read_photograph(tmp_path / "x.tif")[0].tolist() == [[v] * 3 for v in (0, 0, 1, 255, 128)]


def test_unfit_photographs_are_named(tmp_path):
    Image.fromarray(np.zeros((3, 3), np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(YotoError, match=r"x\.tif' should have 8 or 16 bits per colour. Found floating point"):
        images.read_photograph(tmp_path / "x.tif")
    with pytest.raises(YotoError, match=r"none\.png' should be a photograph. Found: damaged data"):
        images.read_photograph(tmp_path / "none.png")


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.booleans())
def test_shrunk_pictures_fit_and_keep_their_shape(height, width, side, quick):
    pixels = np.full((height, width, 3), 7, np.uint8)
    found = images.shrunk(pixels, side, quick=quick)
    if side >= max(height, width):
        assert found is pixels
    else:
        assert max(found.shape[:2]) == side
        scale = side / max(height, width)
        assert abs(found.shape[0] - max(1, height * scale)) <= 0.5
        assert abs(found.shape[1] - max(1, width * scale)) <= 0.5
    assert (found == 7).all()


@pytest.mark.parametrize("read", [images.read_picture, images.read_photograph, images.size_of])
def test_without_pillow_the_extra_is_named(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(YotoError, match=r"Reading a picture needs Pillow. Found none. .* '\.\[train\]'"):
        read("x.png")


def test_a_transparent_16_bit_grey_stays_transparent(tmp_path):
    values = np.full((8, 10), 40000, np.uint16)
    values[2:5] = 300  # another grey of the same eight bits is opaque
    values[5:] = 301
    Image.fromarray(values).save(tmp_path / "grey.png", transparency=300)
    read = images.read_picture(tmp_path / "grey.png")
    assert read.grey
    assert np.array_equal(read.alpha == 0, values == 300)
    assert (read.pixels[0] == round(40000 / 257)).all()


def sixteen_bits_with_a_key():
    """A PNG of 16 bits per colour in which one colour is transparent; Pillow reads such files and writes none."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x12\x34" * 3 * 4 for _ in range(4))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"tRNS", b"\x12\x34" * 3) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def test_a_transparent_colour_of_16_bits_is_refused_where_transparency_counts(tmp_path):
    with pytest.raises(YotoError, match="Found 16 with one colour that is transparent"):
        images.read_picture(sixteen_bits_with_a_key())
    (tmp_path / "photo.png").write_bytes(sixteen_bits_with_a_key())
    assert (images.read_photograph(tmp_path / "photo.png") == 0x12).all()


def test_hidden_colours_are_continued_from_visible_ones():
    alpha = np.zeros((9, 13), np.uint8)
    alpha[:, :4], alpha[:, 4:6] = 255, 1
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    pixels[:, :4], pixels[:, 4:6] = (10, 20, 30), (200, 100, 50)
    seen = images.visible(images.Picture(pixels, alpha=alpha))
    assert np.array_equal(seen[alpha > 0], pixels[alpha > 0])
    pixels[alpha == 0] = 7
    assert np.array_equal(images.visible(images.Picture(pixels, alpha=alpha)), seen)
    assert (seen[:, 8:] <= (12, 21, 31)).all()  # far away: mostly what is opaque
    opaque = images.Picture(pixels)
    assert images.visible(opaque) is opaque.pixels
    assert not images.visible(images.Picture(pixels, alpha=0 * alpha)).any()
