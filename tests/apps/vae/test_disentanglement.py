"""Codes with known answers, and scikit-learn's mutual information as the reference."""

from __future__ import annotations

import math

import pytest
import torch

from yoto.apps.vae import disentanglement
from yoto.apps.vae.disentanglement import World, factorvae_score, information_gap, mutual_information_gap
from yoto.apps.vae.task import VAETask

SIZES = (10, 4, 5)

#: A world whose "images" are its factors, so that codes can be made at will.
WORLD = World(SIZES, lambda factors: factors.double())


def noise(images: torch.Tensor, columns: int, seed: int = 0) -> torch.Tensor:
    """Numbers that look random but depend on the position in the batch only."""
    return torch.randn(len(images), columns, generator=torch.Generator().manual_seed(seed)).double()


def perfect(images: torch.Tensor) -> torch.Tensor:
    """Each factor in a dimension of its own, of different scales, and one dead dimension."""
    return torch.cat([images * torch.tensor([1.0, -20.0, 3.0]), 1e-3 * noise(images, 1)], dim=1)


def test_perfect_codes_score_one():
    gap = mutual_information_gap(perfect, WORLD, samples=4000)
    assert gap.score == pytest.approx(1.0, abs=0.02)
    score = factorvae_score(perfect, WORLD, votes=100, group=64, samples=2000)
    assert score.score == 1.0
    assert score.active.tolist() == [True, True, True, False]
    assert (score.votes > 0).sum() == 3


def test_random_codes_score_nothing():
    generator = torch.Generator().manual_seed(1)

    def encode(images):
        return torch.randn(len(images), 4, generator=generator).double()

    assert mutual_information_gap(encode, WORLD, samples=4000).score < 0.02
    assert factorvae_score(encode, WORLD, votes=300, group=16, samples=2000).score == pytest.approx(1 / 3, abs=0.1)


def test_a_factor_stored_twice_has_no_gap():
    def encode(images):
        return torch.cat([images, images[:, :1]], dim=1)

    gap = mutual_information_gap(encode, WORLD, samples=4000)
    assert gap.per_factor[0].item() == pytest.approx(0.0, abs=1e-9)
    assert gap.per_factor[1:].tolist() == pytest.approx([1.0, 1.0], abs=0.02)


def test_rotated_codes_score_less_than_perfect_ones():
    angle = torch.tensor(math.pi / 4)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])

    def encode(images):
        centred = (images - (torch.tensor(SIZES) - 1) / 2) / torch.tensor(SIZES)
        return centred @ turn.double()

    gap = mutual_information_gap(encode, WORLD, samples=4000)
    assert gap.per_factor[:2].max() < 0.3
    assert gap.per_factor[2].item() == pytest.approx(1.0, abs=0.02)


def test_information_is_scikit_learns():
    from sklearn.metrics import mutual_info_score

    generator = torch.Generator().manual_seed(0)
    factors = torch.stack([torch.randint(s, (3000,), generator=generator) for s in SIZES], dim=1)
    codes = torch.randn(3000, 4, generator=generator).double() + 0.3 * factors[:, :1] - 0.5 * factors[:, 1:2]
    labels = disentanglement.discretise(codes, 20)
    gap = information_gap(codes, factors, bins=20)
    for z in range(4):
        for k in range(3):
            reference = mutual_info_score(factors[:, k].numpy(), labels[:, z].numpy())
            assert gap.information[z, k].item() == pytest.approx(reference, abs=1e-12)
    first, second = sorted(gap.information[:, 1].tolist())[:-3:-1]
    entropy = mutual_info_score(factors[:, 1].numpy(), factors[:, 1].numpy())
    assert gap.per_factor[1].item() == pytest.approx((first - second) / entropy)


def test_bins_are_numpys_histogram():
    import numpy as np

    codes = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = disentanglement.discretise(codes, 20)
    for column in range(2):
        counts, _ = np.histogram(codes[:, column].numpy(), 20)
        assert torch.bincount(labels[:, column], minlength=20).tolist() == counts.tolist()


def test_constant_codes_and_factors_are_no_trouble():
    factors = torch.tensor([[0, 1], [0, 2], [0, 1], [0, 2]])
    gap = information_gap(torch.zeros(4, 1, dtype=torch.float64), factors)
    assert gap.score == 0
    assert gap.per_factor[0].isnan()
    score = factorvae_score(lambda x: torch.zeros(len(x), 2), WORLD, votes=5, samples=100)
    assert score.score == 0
    assert not score.active.any()


def test_scores_depend_on_the_seed_alone():
    scores = [
        factorvae_score(lambda x: x @ torch.ones(3, 3).double() + x, WORLD, votes=50, samples=500).score
        for _ in range(2)
    ]
    assert scores[0] == scores[1]


def test_measures_a_net_on_a_world_of_images():
    torch.manual_seed(0)
    task = VAETask({"dataset": "digits"})

    def render(factors):
        images = torch.zeros(len(factors), 1, 8, 8)
        images[torch.arange(len(factors)), 0, factors[:, 0], factors[:, 1]] = 1.0
        return images

    result = disentanglement.measure(task.likelihood, task.network(), World((8, 8), render), samples=500, votes=20)
    assert set(result) == {"mutual_information_gap", "factorvae_score", "active_units"}
    assert 0 <= result["mutual_information_gap"] <= 1
    assert 0 <= result["factorvae_score"] <= 1
