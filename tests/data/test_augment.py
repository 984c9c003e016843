from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from yoto.data.augment import Flip, ResizeCropFlip
from yoto.errors import YotoError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_crops_are_windows_of_the_enlarged_image_or_of_its_mirror_image():
    images = torch.rand(6, 3, 32, 32)
    cut = ResizeCropFlip(40)(images, seeded())
    large = interpolate(images, size=(40, 40), mode="bilinear")
    assert cut.shape == images.shape
    for image, source in zip(cut, large, strict=True):
        windows = source.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        both = torch.cat([windows, windows.flip(-1)])
        assert (both == image).flatten(1).all(1).sum() == 1


def test_every_place_and_both_sides_turn_up():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4) / 4
    images = (ramp + 2 * ramp.transpose(2, 3)).expand(500, 1, 4, 4)
    cut = ResizeCropFlip(6)(images, seeded())
    assert len(cut.flatten(1).unique(dim=0)) == 3 * 3 * 2


def test_the_range_stays():
    cut = ResizeCropFlip(40)(torch.rand(4, 3, 32, 32), seeded())
    assert cut.min() >= 0
    assert cut.max() <= 1


def test_about_half_are_mirrored_and_the_generator_decides():
    images = torch.arange(2.0).expand(1000, 1, 1, 2)
    mirrored = Flip()(images, seeded(1))
    assert 400 < mirrored[:, 0, 0, 0].sum() < 600
    assert torch.equal(mirrored, Flip()(images, seeded(1)))
    assert not torch.equal(mirrored, Flip()(images, seeded(2)))


@pytest.mark.parametrize("shape", [(8, 4), (8, 3, 4), (4, 8, 8)])
def test_what_is_no_image_is_not_mirrored_into_another_shape(shape):
    with pytest.raises(YotoError, match=r"\[B, C, H, W\]"):
        Flip()(torch.rand(shape), seeded())


@pytest.mark.parametrize("shape", [(2, 3, 24, 32), (2, 3, 64, 64), (2, 32, 32)])
def test_images_that_are_not_square_or_too_large_are_not_cut(shape):
    with pytest.raises(YotoError, match=r"\[B, C, H, H\] and no larger"):
        ResizeCropFlip(40)(torch.rand(shape), seeded())
