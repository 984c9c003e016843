"""The loss terms of a codec."""

import pytest
import torch

from yoto.apps.codec.losses import DISTORTIONS, bits_per_pixel
from yoto.apps.codec.network import Coded


def test_distortions_of_a_known_error():
    x = torch.rand(2, 3, 16, 16).clamp(0.2, 0.8)
    assert DISTORTIONS["mse"](x + 2 / 255, x).tolist() == pytest.approx([4.0, 4.0], rel=1e-4)
    assert DISTORTIONS["ms-ssim"](x, x).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert (DISTORTIONS["ms-ssim"](1 - x, x) > 0.5).all()


def test_the_rate_counts_both_kinds_of_latents():
    coded = Coded(torch.zeros(2, 3, 4, 8), torch.tensor([32.0, 0.0]), torch.tensor([32.0, 16.0]))
    assert bits_per_pixel(coded).tolist() == [2.0, 0.5]
