"""Bits against scipy's normal distribution and against the sum of probabilities."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from yoto.apps.codec.likelihoods import FactorisedPrior, gaussian_bits


@pytest.mark.parametrize("scale", [0.11, 0.5, 1.0, 7.0, 200.0])
def test_gaussian_bits_are_those_of_the_normal_distribution(scale):
    x = torch.linspace(-3 * scale, 3 * scale, 41, dtype=torch.float64)
    bits = gaussian_bits(x, torch.tensor(math.log(scale), dtype=torch.float64))
    probability = norm.cdf((x.abs() + 0.5).neg() / scale * -1) - norm.cdf((x.abs() - 0.5) / scale)
    seen = probability > 1e-8
    assert np.allclose(bits[seen], -np.log2(probability[seen]), rtol=1e-6, atol=1e-9)


def test_scales_below_the_smallest_count_as_it():
    small, smallest = torch.tensor(-5.0), torch.tensor(math.log(0.11))
    assert torch.equal(gaussian_bits(torch.tensor(1.0), small), gaussian_bits(torch.tensor(1.0), smallest))


def test_probabilities_sum_to_one():
    symbols = torch.arange(-60.0, 61.0, dtype=torch.float64)
    total = (2 ** -gaussian_bits(symbols, torch.tensor(1.0, dtype=torch.float64))).sum()
    assert total == pytest.approx(1.0, abs=1e-5)


def test_a_factorised_prior_is_a_distribution_per_channel():
    torch.manual_seed(1)
    prior = FactorisedPrior(3).double()
    symbols = torch.arange(-400.0, 401.0, dtype=torch.float64).expand(3, 1, -1)
    likely = prior.probability(symbols)[:, 0]
    assert likely.min() >= 0
    assert likely.sum(1).tolist() == pytest.approx([1.0] * 3, abs=1e-6)


def test_factorised_bits_belong_to_their_channel():
    prior = FactorisedPrior(2)
    values = torch.randn(3, 2, 4, 5).round()
    bits = prior.bits(values)
    assert bits.shape == values.shape
    alone = prior.probability(values[1, :, 2, 3].view(2, 1, 1))[:, 0, 0]
    assert torch.allclose(bits[1, :, 2, 3], -alone.log2(), rtol=1e-5)


def test_a_factorised_prior_learns_a_spread():
    torch.manual_seed(0)
    prior = FactorisedPrior(1)
    values = torch.randn(64, 1, 4, 4) * 3
    optimiser = torch.optim.Adam(prior.parameters(), 0.03)
    for _ in range(150):
        noisy = values + torch.rand_like(values) - 0.5
        loss = prior.bits(noisy).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    ideal = 0.5 * math.log2(2 * math.pi * math.e * (9 + 1 / 12))
    assert loss.item() == pytest.approx(ideal, abs=0.12)
