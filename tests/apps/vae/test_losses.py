"""The loss terms against torch.distributions in float64, closed forms and Monte Carlo."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from yoto.apps.vae import losses


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bernoulli_is_the_distribution_summed_over_pixels():
    logits = 3 * normal(5, 2, 4, 4)
    target = (normal(5, 2, 4, 4, seed=1) > 0).double()
    expected = -Independent(Bernoulli(logits=logits), 3).log_prob(target)
    torch.testing.assert_close(losses.bernoulli_nll(logits, target), expected)


def test_bernoulli_of_grey_targets_is_least_at_their_own_logits():
    target = normal(3, 1, 4, 4).sigmoid()
    floor = losses.bernoulli_floor(target)
    torch.testing.assert_close(losses.bernoulli_nll(target.logit(), target), floor)
    assert (losses.bernoulli_nll(target.logit() + 0.1, target) > floor).all()


def test_floor_of_black_and_white_images_is_zero():
    assert losses.bernoulli_floor(torch.tensor([[0.0, 1.0, 1.0]])).tolist() == [0.0]
    assert losses.bernoulli_floor(torch.full((1, 4), 0.5)).item() == pytest.approx(4 * math.log(2))


def test_bernoulli_stays_finite_for_large_logits():
    logits = torch.tensor([[1e4, -1e4]])
    assert losses.bernoulli_nll(logits, torch.tensor([[1.0, 0.0]])).item() == 0
    assert losses.bernoulli_nll(logits, torch.tensor([[0.0, 1.0]])).item() == pytest.approx(2e4)


def test_gaussian_is_the_distribution_summed_over_pixels():
    mean, raw, target = normal(5, 3, 4, 4), normal(5, 3, 4, 4, seed=1), normal(5, 3, 4, 4, seed=2)
    scale = 1e-6 + torch.log1p(raw.exp())
    expected = -Independent(Normal(mean, scale), 3).log_prob(target)
    torch.testing.assert_close(losses.gaussian_nll(mean, raw, target), expected)


def test_gaussian_density_may_be_negative():
    nll = losses.gaussian_nll(torch.zeros(1, 8), torch.full((1, 8), -5.0), torch.zeros(1, 8))
    assert nll.item() < 0


def test_standard_deviations_are_softplus_over_a_floor():
    raw = torch.tensor([-1000.0, 0.0, 1000.0])
    assert losses.positive(raw).tolist() == pytest.approx([1e-6, math.log(2) + 1e-6, 1000.0])


def test_kl_is_the_closed_form():
    mean, sigma = normal(6, 4), normal(6, 4, seed=1).exp()
    prior = Normal(torch.zeros(4, dtype=torch.float64), 1.0)
    expected = kl_divergence(Normal(mean, sigma), prior).sum(1)
    torch.testing.assert_close(losses.kl_to_standard_normal(mean, sigma), expected)
    assert (losses.kl_to_standard_normal(mean, sigma) > 0).all()


def test_kl_of_the_prior_is_zero():
    assert losses.kl_to_standard_normal(torch.zeros(2, 3), torch.ones(2, 3)).tolist() == [0.0, 0.0]


def test_kl_agrees_with_monte_carlo():
    mean, sigma = normal(1, 3), 0.5 * normal(1, 3, seed=1).exp()
    posterior, prior = Normal(mean, sigma), Normal(torch.zeros_like(mean), 1.0)
    z = mean + sigma * normal(200_000, 3, seed=2)
    draws = (posterior.log_prob(z) - prior.log_prob(z)).sum(1)
    error = float(draws.std() / math.sqrt(len(draws)))
    assert losses.kl_to_standard_normal(mean, sigma).item() == pytest.approx(float(draws.mean()), abs=4 * error)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    logits, target = torch.zeros(2, 5000, dtype=dtype), torch.ones(2, 5000, dtype=dtype)
    nll = losses.bernoulli_nll(logits, target)
    assert nll.dtype == torch.float32
    assert nll.tolist() == pytest.approx([5000 * math.log(2)] * 2)
    assert losses.gaussian_nll(logits, logits, target).dtype == torch.float32
    assert losses.kl_to_standard_normal(logits, target).dtype == torch.float32


def test_gradients_agree_with_finite_differences():
    target = normal(2, 3, seed=3).sigmoid()
    inputs = [normal(2, 3, seed=s).requires_grad_() for s in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: losses.gaussian_nll(a, b, target), inputs)
    assert torch.autograd.gradcheck(lambda a: losses.bernoulli_nll(a, target), inputs[:1])
    assert torch.autograd.gradcheck(lambda a, b: losses.kl_to_standard_normal(a, losses.positive(b)), inputs)
