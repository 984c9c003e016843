"""The two loss terms of a VAE, one value per sample, in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from yoto.support.precision import wide

#: Lower bound of every standard deviation: sigma = SIGMA_FLOOR + softplus(raw), as in the paper's code.
SIGMA_FLOOR = 1e-6


def positive(raw: Tensor) -> Tensor:
    """A standard deviation out of an unbounded network output: 1e-6 + softplus(raw), of the same shape."""
    return SIGMA_FLOOR + softplus(wide(raw))


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood in nats [B] of `target` [B, ...] in [0, 1] under Bernoulli `logits`.

    Grey targets between 0 and 1 are allowed (cross-entropy); the smallest possible value is then
    `bernoulli_floor(target)`, not 0.
    """
    logits, target = wide(logits), wide(target)
    return binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)


def bernoulli_floor(target: Tensor) -> Tensor:
    """The smallest `bernoulli_nll` that any logits reach, [B]: the sum of the pixels' entropies in nats."""
    target = wide(target)
    return -(torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target)).flatten(1).sum(1)


def gaussian_nll(mean: Tensor, raw_sigma: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood in nats [B] of `target` under independent normals; all of shape [B, ...].

    The standard deviation is `positive(raw_sigma)`. This is a density: the value may be negative.
    """
    mean, target, sigma = wide(mean), wide(target), positive(raw_sigma)
    terms = 0.5 * ((target - mean) / sigma).square() + sigma.log() + 0.5 * math.log(2 * math.pi)
    return terms.flatten(1).sum(1)


def kl_of_dimensions(mean: Tensor, sigma: Tensor) -> Tensor:
    """KL(N(mean, sigma²) || N(0, 1)) in nats of every latent dimension, in closed form; all are [B, Z], `sigma` > 0."""
    mean, sigma = wide(mean), wide(sigma)
    return 0.5 * (mean.square() + sigma.square() - 1) - sigma.log()


def kl_to_standard_normal(mean: Tensor, sigma: Tensor) -> Tensor:
    """KL(N(mean, diag(sigma²)) || N(0, I)) in nats [B]; `mean` and `sigma` > 0 are [B, Z]."""
    return kl_of_dimensions(mean, sigma).sum(1)
