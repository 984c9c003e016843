"""Alpha channels beside a picture's payload."""

import io

import numpy as np
import pytest
from PIL import Image

from yoto.apps.codec.format import chunks, container
from yoto.data.images import Picture
from yoto.errors import YotoError

RNG = np.random.default_rng(0)


def test_alpha_above_pillows_own_limit_is_fine(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert chunks.unpacked_alpha(chunks.packed_alpha(np.zeros((6, 9), np.uint8)), (9, 6)).size == (9, 6)


def test_alpha_is_lossless_and_checked():
    alpha = RNG.integers(0, 255, (6, 9), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.new("RGB", (9, 6)).save(buffer, "PNG")
    colour = buffer.getvalue()
    data = chunks.packed_alpha(alpha)
    assert np.array_equal(np.asarray(chunks.unpacked_alpha(data, (9, 6))), alpha)
    for bad, size in ((data, (6, 9)), (data[:60], (9, 6)), (colour, (9, 6)), (b"", (9, 6))):
        with pytest.raises(YotoError, match="alpha"):
            chunks.unpacked_alpha(bad, size)


def test_chunks_that_no_decoder_takes_are_not_written(monkeypatch):
    monkeypatch.setattr(container, "LARGEST_CHUNK", 100)
    pixels, alpha = np.zeros((9, 16, 3), np.uint8), RNG.integers(0, 255, (9, 16), dtype=np.uint8)
    for name, parts in (("colour profile", {"icc": bytes(101)}), ("alpha channel", {"alpha": alpha}),
                        ("EXIF data", {"exif": bytes(101)})):  # fmt: skip
        with pytest.raises(YotoError, match=f"The {name} of a picture should take 100 bytes at most. Found [12]"):
            chunks.header_of(Picture(pixels, **parts), 0, bytes(8), 1024)
    assert len(chunks.header_of(Picture(pixels, icc=bytes(100)), 0, bytes(8), 1024).icc) == 100
