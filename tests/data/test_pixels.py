"""Between levels and numbers in [0, 1], with torch and without, and how far pictures are apart."""

import sys
from subprocess import run

import numpy as np
import pytest
import torch

from yoto.data import ArrayData, pixels
from yoto.data.pixels import array_bytes, array_planes, planes, to_bytes, to_levels, to_unit

RNG = np.random.default_rng(0)
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)


def test_bytes_become_numbers_from_0_to_1():
    batch = ArrayData(torch.tensor([[0], [51], [255]], dtype=torch.uint8), to_unit).batch(torch.arange(3))
    assert batch.dtype == torch.float32
    assert torch.allclose(batch.flatten(), torch.tensor([0, 0.2, 1]))


def test_pictures_become_planes():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    picture.flags.writeable = False
    one = planes(picture)
    assert one.shape == (1, 3, 2, 4)
    assert float(one[0, 2, 1, 3]) == pytest.approx(23 / 255)
    assert torch.equal(planes(np.stack([picture, 255 - picture])), torch.cat([one, planes(255 - picture)]))


def test_colour_images_and_values_out_of_range():
    found = to_bytes(torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1))
    assert found.tolist() == [[[[0, 128, 255]]]]


def test_grey_images_become_three_equal_planes():
    grey = torch.rand(2, 1, 3, 4, requires_grad=True)
    found = to_bytes(grey)
    assert found.shape == (2, 3, 4, 3)
    assert (found == to_levels(grey).movedim(1, -1).numpy()).all()


def test_every_level_survives_the_way_there_and_back():
    assert (to_bytes(planes(LEVELS))[0] == LEVELS).all()
    assert (array_bytes(array_planes(LEVELS)) == LEVELS).all()


def test_both_ways_agree_to_the_last_bit():
    picture = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert (planes(picture)[0].numpy() == array_planes(picture)).all()
    image = RNG.normal(0.5, 0.4, (3, 5, 7)).astype(np.float32)
    assert (to_bytes(torch.from_numpy(image)[None])[0] == array_bytes(image)).all()


def test_the_module_needs_no_torch():
    code = "import sys, yoto.data.pixels; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code]).returncode == 0


def test_psnr_of_known_errors():
    assert pixels.psnr(torch.tensor([0.01, 1.0, 0.0])).tolist() == pytest.approx([20.0, 0.0, 100.0], abs=1e-5)


def test_psnr_of_pictures():
    one = RNG.integers(0, 250, (1100, 3, 3), dtype=np.uint8)  # more rows than are compared at a time
    assert pixels.psnr_of(one, one) == 100.0
    assert pixels.psnr_of(one + np.uint8(5), one) == pytest.approx(-10 * np.log10(25 / 255**2))


def test_psnr_leaves_out_what_is_transparent():
    one = RNG.integers(0, 250, (1100, 3, 3), dtype=np.uint8)
    other, alpha = one.copy(), np.zeros((1100, 3), np.uint8)
    alpha[1000:, 1] = 1
    other[alpha == 0] = 0
    assert pixels.psnr_of(one, other, alpha) == 100.0
    assert pixels.psnr_of(other + np.uint8(5), one, alpha) == pytest.approx(-10 * np.log10(25 / 255**2))
    assert pixels.psnr_of(one, other, np.zeros_like(alpha)) == 100.0
