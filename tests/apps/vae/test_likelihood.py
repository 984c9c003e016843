"""What a decoder's output means, for both likelihoods."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from yoto.apps.vae.likelihood import LIKELIHOODS


class Net(torch.nn.Module):
    """The mean of the images as a latent, and a decoder that gives it back in every pixel."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def encode(self, x):
        mean = x.mean((1, 2, 3))[:, None]
        return mean, torch.ones_like(mean)

    def decode(self, z):
        return z[:, :, None, None].expand(-1, self.outputs, 4, 4)


@pytest.fixture
def images():
    return torch.rand(3, 1, 4, 4)


def test_bernoulli_is_of_logits(images):
    likelihood, logits = LIKELIHOODS["bernoulli"], torch.randn(3, 1, 4, 4)
    assert likelihood.outputs == 1
    assert torch.equal(likelihood.scaled(images), images)
    expected = -Bernoulli(logits=logits, validate_args=False).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(likelihood.nll(logits, images), expected)
    assert torch.equal(likelihood.expected(logits), logits.sigmoid())


def test_the_floor_is_reached_by_the_images_themselves(images):
    likelihood = LIKELIHOODS["bernoulli"]
    assert likelihood.bounded
    torch.testing.assert_close(likelihood.floor(images), likelihood.nll(images.logit(), images))


def test_gaussian_is_of_images_between_minus_one_and_one(images):
    likelihood, parameters = LIKELIHOODS["gaussian"], torch.randn(3, 2, 4, 4)
    assert likelihood.outputs == 2
    scaled = likelihood.scaled(images)
    assert torch.equal(scaled, 2 * images - 1)
    mean, raw = parameters.chunk(2, dim=1)
    expected = -Normal(mean, 1e-6 + torch.nn.functional.softplus(raw)).log_prob(scaled).sum((1, 2, 3))
    torch.testing.assert_close(likelihood.nll(parameters, scaled), expected)
    assert torch.equal(likelihood.expected(parameters), ((mean + 1) / 2).clamp(0, 1))
    assert not likelihood.bounded
    assert (likelihood.floor(images) == -torch.inf).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_reconstructions_and_samples_are_the_expected_images(name, images):
    likelihood = LIKELIHOODS[name]
    net = Net(likelihood.outputs)
    mean, _ = net.encode(likelihood.scaled(images))
    found = likelihood.reconstruct(net, images)
    assert torch.equal(found, likelihood.expected(net.decode(mean)))
    assert torch.equal(found, likelihood.decode(net, mean))
    assert found.shape == images.shape


def test_half_precision_becomes_float32(images):
    for likelihood in LIKELIHOODS.values():
        assert likelihood.expected(torch.randn(2, likelihood.outputs, 4, 4).bfloat16()).dtype == torch.float32
