"""Divisive normalisation, rounding and bounds with gradients, against their formulas."""

import pytest
import torch

from yoto.apps.codec.layers import GDN, Haar, haar, lower_bound, round_through


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_its_formula(inverse):
    gdn = GDN(5, inverse=inverse).double()
    with torch.no_grad():
        gdn.gamma.copy_(torch.rand(5, 5))
        gdn.beta.copy_(torch.rand(5) + 0.5)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    expected = torch.empty_like(x)
    for i in range(5):
        norm = gdn.beta[i] ** 2 + 1e-6 + sum(gdn.gamma[i, j] ** 2 * x[:, j].abs() for j in range(5))
        expected[:, i] = x[:, i] * norm if inverse else x[:, i] / norm
    assert torch.allclose(gdn(x), expected, rtol=1e-12)


def test_gdn_trains_every_parameter():
    gdn = GDN(4)
    gdn(torch.randn(2, 4, 3, 3)).square().sum().backward()
    assert gdn.gamma.grad.abs().min() > 0
    assert gdn.beta.grad.abs().min() > 0


def test_rounding_passes_the_gradient_on():
    x = torch.tensor([-1.6, 0.2, 2.7], requires_grad=True)
    y = round_through(x)
    y.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert y.tolist() == [-2.0, 0.0, 3.0]
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_a_bound_lets_the_gradient_lead_back():
    x = torch.tensor([0.0, 0.0, 2.0], requires_grad=True)
    y = lower_bound(x, 1.0)
    y.backward(torch.tensor([1.0, -1.0, 1.0]))
    assert y.tolist() == [1.0, 1.0, 2.0]
    assert x.grad.tolist() == [0.0, -1.0, 1.0]  # only upwards from below the bound


def test_haar_is_orthogonal():
    assert torch.allclose(haar() @ haar().T, torch.eye(16, dtype=torch.float64), atol=1e-12)


def test_haar_is_a_mean_coarse_and_fine_differences():
    block = torch.arange(16, dtype=torch.float64)
    coefficients = haar() @ block
    assert coefficients[0] == pytest.approx(4 * block.mean())
    assert coefficients[1:4].tolist() == pytest.approx([-4.0, -16.0, 0.0])  # left - right, upper - lower, diagonal
    assert coefficients[4:8].tolist() == pytest.approx([-1.0] * 4)  # left - right in each 2x2 block
    assert coefficients[8:12].tolist() == pytest.approx([-4.0] * 4)
    assert coefficients[12:].tolist() == pytest.approx([0.0] * 4)


def test_haar_coefficients_of_images_give_them_back():
    x, layer = torch.randn(2, 48, 3, 5), Haar()
    assert torch.allclose(layer.inverse(layer(x)), x, atol=1e-5)
    assert torch.allclose(layer(x)[:, 0], x[:, :16].sum(1) / 4, atol=1e-5)  # the first colour's mean
    assert layer.state_dict() == {}
