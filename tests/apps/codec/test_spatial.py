"""Four passes: each latent is decoded once, from what is decoded before it, by decoder and encoder alike."""

import math

import pytest
import torch

from yoto.apps.codec.layers import round_through
from yoto.apps.codec.spatial import PLACES, SpatialPrior, placed, taken


@pytest.fixture
def prior():
    torch.manual_seed(0)
    return SpatialPrior(5, 6).double()


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def nearest(residual, log_scale):
    return round_through(residual)


def test_the_passes_are_a_partition():
    x = random(2, 3, 4, 6)
    parts = [taken(x, number) for number in range(len(PLACES))]
    assert all(part.shape == (2, 3, 2, 3) for part in parts)
    assert torch.equal(sum(placed(part, number) for number, part in enumerate(parts)), x)


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_a_pass_sees_only_earlier_ones(prior, number):
    values = random(1, 5, 6, 6).requires_grad_()
    means = []

    def code(each, mean, step):
        means.append(mean)
        return taken(values, each)

    prior.decoded(random(1, 5, 6, 6), random(1, 5, 6, 6), code)
    if number == 0:
        assert not means[0].requires_grad
        return
    (gradient,) = torch.autograd.grad(means[number].sum(), values)
    for other in range(len(PLACES)):
        seen = bool(taken(gradient, other).abs().sum() > 0)
        assert seen == (other < number)


@pytest.mark.parametrize("number", range(1, len(PLACES)))
def test_a_pass_sees_its_eight_neighbours_at_most(prior, number):
    values = random(1, 5, 8, 8).requires_grad_()
    row, column = PLACES[number]
    means = []

    def code(each, mean, step):
        means.append(mean)
        return taken(values, each)

    prior.decoded(random(1, 5, 8, 8), random(1, 5, 8, 8), code)
    (gradient,) = torch.autograd.grad(means[number][:, :, 1, 1].sum(), values)
    rows, columns = (gradient.abs().sum((0, 1)) > 0).nonzero().unbind(1)
    assert (rows - (2 + row)).abs().max() <= 1
    assert (columns - (2 + column)).abs().max() <= 1


def test_a_decoder_finds_what_the_encoder_rounded(prior):
    y, mean, log_scale = random(2, 5, 4, 4) * 3, random(2, 5, 4, 4), random(2, 5, 4, 4)
    decoded, residual, symbols = prior(y, mean, log_scale, nearest)
    assert torch.equal(symbols, residual.round())
    steps = []

    def code(number, centre, step):
        steps.append(placed(step, number))
        return centre + step * taken(symbols, number)

    again = prior.decoded(mean, log_scale, code)
    assert torch.equal(again, decoded)
    assert torch.allclose(decoded + sum(steps) * (residual - symbols), y)
    assert 0.5 <= sum(steps).min() < sum(steps).max() <= 2


def test_scales_end_where_those_of_the_tables_do(prior):
    y, mean, log_scale = random(2, 5, 4, 4) * 3, random(2, 5, 4, 4), random(2, 5, 4, 4) * 100
    decoded, residual, _ = prior(y, mean, log_scale, nearest)
    expected, same, _ = prior(y, mean, log_scale.clamp(math.log(0.11), math.log(256)), nearest)
    assert torch.equal(decoded, expected)
    assert torch.equal(residual, same)
    assert residual.abs().max() < 1e5


def test_it_starts_near_the_hyper_decoders_means(prior):
    y, mean, log_scale = random(1, 5, 4, 4), random(1, 5, 4, 4), random(1, 5, 4, 4)
    before = (prior(y, mean, log_scale, nearest)[1] - (y - mean)).abs().max()
    prior.start()
    after = (prior(y, mean, log_scale, nearest)[1] - (y - mean)).abs().max()
    assert after < 0.1 * before
    assert (prior.steps(log_scale) - 1).abs().max() < 0.1


def test_rounding_passes_gradients_to_means_and_latents(prior):
    y, mean, log_scale = (random(1, 5, 4, 4).requires_grad_() for _ in range(3))
    decoded, residual, _ = prior(y, mean, log_scale, nearest)
    (decoded.square().sum() + residual.square().sum()).backward()
    assert all(x.grad.abs().min() > 0 for x in (y, mean))
    assert log_scale.grad.abs().sum() > 0
