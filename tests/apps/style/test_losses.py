"""Losses against closed forms and float64."""

import pytest
import torch

from yoto.apps.style.losses import VARIATION, content_loss, gram, moments, relative_distance, spread, total_variation


def test_gram_matrices_against_float64():
    x = torch.randn(3, 5, 7, 4)
    expected = torch.einsum("bchw,bdhw->bcd", x.double(), x.double()) / 28
    torch.testing.assert_close(gram(x).double(), expected, rtol=1e-5, atol=1e-6)


def test_gram_matrices_do_not_depend_on_the_place():
    x = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(gram(x), gram(x.roll((2, 3), dims=(2, 3)).flip(3)))


def test_moments_are_mean_and_deviation():
    x = torch.randn(2, 4, 9, 5)
    found = moments(x)
    flat = x.flatten(2).double()
    torch.testing.assert_close(found[:, 0].double(), flat.mean(2), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[:, 1].double(), flat.std(2, correction=0), rtol=1e-4, atol=1e-5)


def test_distance_is_relative_to_the_target():
    target = torch.rand(1, 4, 4)
    torch.testing.assert_close(relative_distance(1.5 * target, target), torch.tensor([0.25]))
    found = relative_distance(torch.stack([target[0], 0 * target[0]]), target)
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0]))


def test_content_is_1_for_the_mean_of_the_photograph():
    x = torch.randn(3, 6, 8, 8)
    mean = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    torch.testing.assert_close(content_loss(mean, x), torch.ones(3))
    torch.testing.assert_close(content_loss(x, x), torch.zeros(3))


def test_a_flat_photograph_does_not_weigh_without_bound():
    flat = torch.ones(1, 6, 8, 8)
    ordinary = 4.0
    assert float(content_loss(flat + 0.1, flat, ordinary)) == pytest.approx(6 * 0.01 / 2)
    x = torch.randn(1, 6, 8, 8)
    own = float(spread(x))
    assert float(content_loss(x + 0.1, x, own)) == pytest.approx(6 * 0.01 / own, rel=1e-4)


def test_total_variation_of_a_ramp_and_a_photographs_unit():
    ramp = torch.arange(10.0).expand(1, 3, 10, 10) * VARIATION
    assert float(total_variation(ramp)) == pytest.approx(0.5)  # across only
    assert float(total_variation(ramp + ramp.mT)) == pytest.approx(1.0)
    assert float(total_variation(torch.ones(1, 3, 4, 4))) == 0


def test_losses_are_per_sample():
    x, y = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)
    for loss in (content_loss, lambda a, b: relative_distance(gram(a), gram(b)), lambda a, b: total_variation(a)):
        both = loss(x, y)
        assert both.shape == (2,)
        for i in range(2):
            torch.testing.assert_close(both[i : i + 1], loss(x[i : i + 1], y[i : i + 1]))
