"""What `encode` takes as numbers and pictures, and what it refuses."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from yoto import codec
from yoto.apps.codec import api, search
from yoto.data.images import Picture
from yoto.errors import YotoError


@pytest.mark.parametrize("kind", [np.float32, Fraction, Decimal, np.array, torch.tensor])
def test_numbers_of_every_kind_are_numbers(tiny, photo, kind):
    assert codec.compress(photo, model=tiny, quality=kind(50)) == codec.compress(photo, model=tiny, quality=50)
    for name in ("quality", "bpp", "psnr", "size"):
        number = api.number_of(name, kind(7))
        assert number == 7
        assert type(number) is float


@pytest.mark.parametrize("value", [np.zeros(2), np.True_, [5], "5", 10**400, None])
def test_numbers_of_no_kind_are_refused(tiny, photo, value):
    for name in ("quality", "bpp", "psnr", "size", "effort", "tile"):
        if value is not None or name in ("effort", "tile"):
            with pytest.raises(YotoError, match=f"`{name}` should .*Found"):
                codec.compress(photo, model=tiny, **{name: value})


@pytest.mark.parametrize("target", [{"psnr": 30}, {"psnr": 1e300}, {"bpp": 1e300}])
def test_targets_above_all_levels_are_refused(tiny, target):
    """Also where PSNR does not rise with the level, and where a target is so large that all are as far from it."""
    point = Image.new("RGB", (1, 1), (9, 200, 3))
    with pytest.raises(search.OutOfReachError, match="The nearest is"):
        codec.encode(point, model=tiny, **target)


@pytest.mark.parametrize("picture", ["photo.png", None, b"\x93YTO", [[1, 2]], torch.zeros(3, 4, 4)])
def test_what_is_no_picture_is_refused(tiny, picture):
    with pytest.raises(YotoError, match="A picture should be a Pillow image, an array or a `Picture`. Found"):
        codec.encode(picture, model=tiny)


@pytest.mark.parametrize(
    "parts",
    [{"pixels": np.zeros((4, 5, 3))}, {"pixels": np.zeros((4, 5), np.uint8)}, {"pixels": np.zeros((4, 0, 3), np.uint8)},
     {"pixels": np.zeros((1, 16385, 3), np.uint8)}, {"alpha": np.zeros((5, 4), np.uint8)}, {"alpha": np.zeros((4, 5))}],
)  # fmt: skip
def test_pictures_whose_parts_do_not_fit_are_refused(tiny, parts):
    with pytest.raises(YotoError, match="`Picture.(pixels|alpha)` should be uint8 of shape"):
        codec.encode(Picture(**{"pixels": np.zeros((4, 5, 3), np.uint8)} | parts), model=tiny)
