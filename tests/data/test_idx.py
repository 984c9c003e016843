from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from yoto.data.idx import read_idx
from yoto.errors import YotoError

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array):
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@given(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda name: arrays.arrays(name, arrays.array_shapes(max_dims=4, max_side=5))
    ),
    st.booleans(),
)
def test_what_was_written_is_read(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    found = read_idx(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


IMAGES = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n", "89 50 4e 47"),
        (b"\0\0\x07\x01" + bytes(8), "00 00 07 01"),
        (IMAGES[:9], "header is cut off"),
        (IMAGES[:-1], "only 23"),
        (IMAGES + b"\0", "more"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "only 0"),
        (gzip.compress(IMAGES)[:-9], "damaged data"),
        (gzip.compress(IMAGES)[:15] + b"\xff\xff\xff" + gzip.compress(IMAGES)[18:], "damaged data"),
    ],
    ids=["empty", "foreign", "type", "header", "short", "long", "absurd", "cut gzip", "damaged gzip"],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(YotoError, match=message) as caught:
        read_idx(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(YotoError, match="No such file"):
        read_idx(tmp_path / "none.gz")
    with pytest.raises(YotoError, match="Is a directory"):
        read_idx(tmp_path)
