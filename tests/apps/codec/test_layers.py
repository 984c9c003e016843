"""Divisive normalisation, rounding and bounds with gradients, against their formulas."""

import pytest
import torch

from yoto.apps.codec.layers import GDN, lower_bound, round_through


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
