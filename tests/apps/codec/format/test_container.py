"""The bytes of a file: what is packed is what is parsed, and nothing else is accepted."""

import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoto.apps.codec.format import container
from yoto.apps.codec.format.container import Contents, Header, Payload, Reader, inspect, pack, parse, varint, zigzag
from yoto.apps.codec.format.errors import FileError

payloads = st.builds(lambda w, e: Payload(b"".join(w), e), st.lists(st.binary(min_size=4, max_size=4), max_size=5),
                     st.binary(max_size=9))  # fmt: skip


@st.composite
def contents(draw):
    header = Header(
        width=draw(st.integers(1, 400)), height=draw(st.integers(1, 400)), level=draw(st.integers(0, 255)),
        fingerprint=draw(st.binary(min_size=8, max_size=8)), tile=2 ** draw(st.integers(7, 11)),
        grey=draw(st.booleans()), icc=draw(st.binary(max_size=20)), alpha=draw(st.binary(max_size=20)),
        exif=draw(st.binary(max_size=20)),
    )  # fmt: skip
    tiles = tuple(draw(payloads) for _ in header.tiles())
    return Contents(header, draw(payloads), tiles, draw(st.integers(0, 2**32 - 1)))


def sealed(body):
    """Bytes with a right checksum."""
    return body + struct.pack("<I", zlib.crc32(body))


@given(contents())
def test_parse_is_the_inverse_of_pack(made):
    data = pack(made)
    assert parse(data) == made
    assert inspect(memoryview(data)) == made.header
    peeked = container.peek(data[:24])
    assert (peeked.width, peeked.height, peeked.grey) == (made.header.width, made.header.height, made.header.grey)
    assert bool(peeked.alpha) == bool(made.header.alpha)


@given(contents(), st.data())
def test_every_single_change_is_noticed(made, data):
    good = pack(made)
    place = data.draw(st.integers(0, len(good) - 1))
    bit = data.draw(st.integers(0, 7))
    bad = bytearray(good)
    bad[place] ^= 1 << bit
    with pytest.raises(FileError):
        parse(bytes(bad))
    for cut in (good[:place], good[:place] + good[place + 1 :], good[:place] + b"\0" + good[place:]):
        if cut != good:
            with pytest.raises(FileError):
                parse(cut)


@given(st.binary(max_size=200))
def test_resealed_nonsense_is_refused_or_parsed(body):
    """With a right checksum the contents still have to add up."""
    for start in (b"", container.MAGIC, container.MAGIC + b"\x02\0" + b"12345678" + b"\x40\x0a"):
        with suppress(FileError):
            assert parse(sealed(start + body)).header.width <= container.LARGEST


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [(0, 5, "1 to 16384"), (16385, 5, "1 to 16384"), (5, 2**34, "1 to 16384"), (16384, 16384, "shorter")],
)
def test_absurd_sizes_are_refused(width, height, message):
    head = container.FIXED.pack(container.MAGIC, 2, 0, b"12345678", 100, 7)
    with pytest.raises(FileError, match=message):
        parse(sealed(head + varint(width) + varint(height) + b"\0" * 40))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (1, 1, r"has version 1; this yoto reads version 2. Compress the original again\."),
        (1, 3, r"has version 3; this yoto reads version 2. Upgrade yoto\."),
        (2, 16, "version 2 does not have"),
        (5, 5, "version 2 does not have"),
        (0, b"RIFF", "other contents"),
    ],
)
def test_foreign_headers_are_refused(field, value, message):
    fields = [container.MAGIC, 2, 0, b"12345678", 100, 10]
    fields[field] = value
    with pytest.raises(FileError, match=message):
        parse(sealed(container.FIXED.pack(*fields) + varint(5) + varint(5) + b"\0" * 20))


@given(st.integers(0, 2**34))
def test_numbers(value):
    assert Reader(varint(value)).number("number") == value


@pytest.mark.parametrize("data", [b"\x80\x80\x80\x80\x80\x01", b"\x80\x00", b"\xff"])
def test_numbers_have_one_form(data):
    with pytest.raises(FileError):
        Reader(data).number("number")


@given(st.integers(-(2**40), 2**40))
def test_zigzag_is_small_for_small_magnitudes(value):
    assert zigzag(value) in (2 * abs(value), 2 * abs(value) - 1)


def test_tiles_cover_the_grid_once():
    header = Header(width=1000, height=300, level=0, fingerprint=b"12345678", tile=256)
    seen = [(r, c) for t, b, l, e in header.tiles() for r in range(t, b) for c in range(l, e)]  # noqa: E741
    assert sorted(seen) == [(r, c) for r in range(5) for c in range(16)]


@pytest.mark.parametrize("other", ["photo.yoto", None, 3])
def test_what_is_no_bytes_is_named(other):
    with pytest.raises(FileError, match="given as bytes"):
        container.parse(other)
