from __future__ import annotations

import pytest
import torch

from yoto.apps.vae import metrics


def test_mean_squared_error_and_psnr_of_known_images():
    target = torch.zeros(2, 1, 4, 4)
    images = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 1.0)])
    assert metrics.mean_squared_error(images, target).tolist() == pytest.approx([0.01, 1.0])
    assert metrics.psnr(images, target).tolist() == pytest.approx([20.0, 0.0], abs=1e-5)


def test_psnr_of_equal_images_is_finite():
    assert metrics.psnr(torch.ones(1, 4), torch.ones(1, 4)).item() == pytest.approx(100.0)


def test_active_units_vary_over_the_data():
    mean = torch.tensor([[1.0, 0.0, 0.05], [-1.0, 0.0, -0.05]])
    assert metrics.active_units(mean).tolist() == [True, False, False]
    assert metrics.active_units(mean, threshold=0.001).tolist() == [True, False, True]


def test_used_units_cost_bits_on_average():
    kl = torch.tensor([[0.03, 0.0, 0.015], [0.01, 0.0, 0.0]])
    assert metrics.used_units(kl).tolist() == [True, False, False]
    assert metrics.used_units(kl, threshold=0.005).tolist() == [True, False, True]
