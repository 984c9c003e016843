"""PSNR and MS-SSIM against their definitions."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from yoto.apps.codec.metrics import MS_SSIM_WEIGHTS, ms_ssim, psnr, squared_levels


def test_psnr_of_a_known_error():
    x = torch.rand(2, 3, 8, 8)
    assert psnr(x + 0.1, x).tolist() == pytest.approx([20.0, 20.0], abs=1e-4)
    assert squared_levels(x + 2 / 255, x).tolist() == pytest.approx([4.0, 4.0], rel=1e-4)
    assert psnr(x, x).tolist() == [100.0, 100.0]


def reference_ms_ssim(a, b):
    """Wang et al. 2003 for one plane, in float64 with scipy's filters."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blur(x):
        return correlate1d(correlate1d(x, taps, axis=0), taps, axis=1)[5:-5, 5:-5]

    product = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        ma, mb = blur(a), blur(b)
        va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
        value = (2 * cov + 0.03**2) / (va + vb + 0.03**2)
        if scale == 4:
            value = value * (2 * ma * mb + 0.01**2) / (ma**2 + mb**2 + 0.01**2)
        product *= value.mean() ** weight
        if scale < 4:
            a, b = (x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean((1, 3)) for x in (a, b))
    return product


def test_ms_ssim_is_the_published_measure():
    rng = np.random.default_rng(0)
    a = np.kron(rng.random((13, 13)), np.ones((16, 16)))
    b = np.clip(a + 0.1 * rng.standard_normal(a.shape), 0, 1)
    images = [torch.from_numpy(x).float().expand(1, 3, -1, -1) for x in (a, b)]
    assert float(ms_ssim(*images)) == pytest.approx(reference_ms_ssim(a, b), rel=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (33, 64), (177, 191)])
def test_ms_ssim_of_any_size(size):
    x = torch.rand(2, 3, *size)
    same, other = ms_ssim(x, x), ms_ssim(x, 1 - x)
    assert same.tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert (other <= same).all()
    assert math.isfinite(float(other.sum()))
