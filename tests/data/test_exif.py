"""EXIF data stay with a picture as they are, and damaged ones do not stand in its way."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from yoto.data import exif, images
from yoto.errors import YotoError

DESCRIPTION, MAKER_NOTE, DETAILS = 0x010E, 0x927C, 0x8769
PIXELS = np.stack([*np.mgrid[0:12, 0:20].astype(np.uint8) * 9, np.full((12, 20), 77, np.uint8)], -1)
LETTERS = "Café".encode()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
THUMBNAIL = b"a thumbnail" * 9


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def entry(order, tag, kind, count, value):
    return struct.pack(order + "HHL", tag, kind, count) + value


def block(order, orientation=6, *, thumbnail=True):
    """EXIF data with letters beyond ASCII, a maker note with a place in it, a tag of nobody's, and a thumbnail."""
    short = lambda value: struct.pack(order + "HH", value, 0)  # noqa: E731
    long = lambda value: struct.pack(order + "L", value)  # noqa: E731
    first, details = 8, 8 + 2 + 4 * 12 + 4
    text = details + 2 + 12 + 4
    note, small = text + 6, text + 6 + 9
    parts = [{"<": b"II*\0", ">": b"MM\0*"}[order], long(first), struct.pack(order + "H", 4)]
    parts += [
        entry(order, DESCRIPTION, 2, 6, long(text)),
        entry(order, exif.ORIENTATION, 3, 1, short(orientation)),
        entry(order, DETAILS, 4, 1, long(details)),
        entry(order, 0xFDE8, 3, 1, short(99)),
        long(small if thumbnail else 0),
    ]
    parts += [struct.pack(order + "H", 1), entry(order, MAKER_NOTE, 7, 9, long(note)), long(0)]
    parts += [LETTERS + b"\0", b"\0own\xff\1\2\3\4"]
    if thumbnail:
        where = small + 2 + 24 + 4
        parts += [struct.pack(order + "H", 2), entry(order, 0x201, 4, 1, long(where))]
        parts += [entry(order, 0x202, 4, 1, long(len(THUMBNAIL))), long(0), THUMBNAIL]
    return exif.PREFIX + b"".join(parts)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_they_stay_as_they_are_but_for_orientation_and_thumbnail(kind, order):
    for thumbnail in (True, False):
        given = block(order, thumbnail=thumbnail)
        made = images.read_picture(saved(Image.fromarray(PIXELS), kind, exif=given), keep_exif=True)
        assert made.pixels.shape == (20, 12, 3)
        assert made.exif == block(order, 1, thumbnail=False)


def test_what_was_changed_in_python_is_kept():
    image = Image.open(io.BytesIO(saved(Image.fromarray(PIXELS), "JPEG", exif=block("<"))))
    image.getexif()[0x010F] = "Zürich"
    kept = exif.loaded(exif.kept(image))
    assert (kept[DESCRIPTION].encode("latin-1"), kept[0x010F], kept[exif.ORIENTATION]) == (LETTERS, "Zürich", 1)
    assert kept.get_ifd(DETAILS)[MAKER_NOTE] == b"\0own\xff\1\2\3\4"


def damaged():
    raw = PngImagePlugin.PngInfo()
    raw.add_text("Raw profile type exif", "\nexif\n 8\n" + b"Exif\0\0ju".hex())
    for kind, options in (
        ("PNG", {"exif": b"junk"}),
        ("PNG", {"exif": block("<")[:20]}),
        ("PNG", {"pnginfo": raw}),
        ("WEBP", {"exif": b"junkjunk"}),
        ("JPEG", {"exif": b"Exif\0\0junkjunk", "quality": 100}),
    ):
        yield saved(Image.fromarray(PIXELS), kind, **options)


def test_damaged_ones_do_not_stand_in_the_way(tmp_path):
    for data in damaged():
        made = images.read_picture(data)
        assert made.pixels.shape == PIXELS.shape == (*images.size_of(data), 3)
        (tmp_path / "photo").write_bytes(data)
        assert np.array_equal(images.read_photograph(tmp_path / "photo"), made.pixels)


def test_damaged_ones_cannot_be_kept():
    for data in damaged():
        with pytest.raises(YotoError, match=r"should have EXIF data that can be read.*leave .*--keep-exif.* away"):
            images.read_picture(data, keep_exif=True)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_there_are_not_turn_nothing(orientation):
    made = images.read_picture(saved(Image.fromarray(PIXELS), "PNG", exif=block("<", orientation)), keep_exif=True)
    assert np.array_equal(made.pixels, PIXELS)
    assert made.exif == block("<", 1, thumbnail=False)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_tiff_files_are_upright_and_their_layout_is_no_exif(mode, orientation, tmp_path):
    """Some modes Pillow maps into memory, where it takes turned ones for as wide as they are high."""
    image = Image.fromarray(PIXELS).convert(mode)
    image.save(tmp_path / "x.tif", exif=block("<", orientation), icc_profile=PROFILE)
    turned = image if orientation == 1 else image.transpose(exif.TURNS[orientation])
    expected = np.asarray(turned.convert("RGB"))
    made = images.read_picture(tmp_path / "x.tif", keep_exif=True)
    assert np.array_equal(made.pixels, expected)
    assert np.array_equal(images.read_photograph(tmp_path / "x.tif"), expected)
    assert images.size_of(tmp_path / "x.tif") == expected.shape[:2]
    kept = exif.loaded(made.exif)
    assert set(kept) == {DESCRIPTION, exif.ORIENTATION, DETAILS}
    assert kept[exif.ORIENTATION] == 1
    assert kept.get_ifd(DETAILS)[MAKER_NOTE] == b"\0own\xff\1\2\3\4"


def test_directories_without_end_are_not_walked_through():
    start = 8 + 2 + 9 * 12 + 4
    entries = b"".join(entry("<", DETAILS, 4, 1, struct.pack("<L", start + 6 * i)) for i in range(9))
    body = b"II*\0" + struct.pack("<LH", 8, 9) + entries + struct.pack("<L", 8) + bytes(6) * 9
    assert exif.straightened(body) is None
    assert exif.straightened(body.replace(struct.pack("<H", DETAILS), struct.pack("<H", MAKER_NOTE))) is not None
