"""The recipes of the task: they read, fit their networks, and the paper's have the paper's counts."""

from __future__ import annotations

import pytest
import torch

import yoto
from yoto import recipe as recipes
from yoto.apps.vae.network import PAPER_SITES
from yoto.registry import load_task

NAMES = [n for n in recipes.shipped() if recipes.read(n).task == "vae"]


def conditioned(name: str) -> yoto.Conditional:
    torch.manual_seed(0)
    recipe = recipes.read(name)
    net = load_task(recipe.task, recipe.options).network()
    return yoto.condition(net, recipe.loss_space(), **recipe.conditioning.model_dump())


@pytest.mark.parametrize("name", NAMES)
def test_builds_and_has_points_inside_its_space(name):
    model, recipe = conditioned(name), recipes.read(name)
    assert model.space.names == ("reconstruction", "kl")
    assert recipe.name == name.split("/")[1]
    assert recipe.evaluation_points()
    assert recipe.comparison_points()


@pytest.mark.parametrize(
    ("name", "plain", "film"),
    [("paper/cifar10-vae", 1_625_814, 248_256), ("paper/shapes3d-vae", 619_447, 135_648)],
)
def test_the_papers_recipes_have_the_papers_parameters(name, plain, film):
    model = conditioned(name)
    assert sum(p.numel() for p in model.plain.parameters()) == plain
    assert sum(p.numel() for p in model.film.parameters()) == film


def test_the_papers_recipes_condition_the_papers_sites():
    for name in ("paper/cifar10-vae", "paper/shapes3d-vae", "vae/fashion-mnist-paper"):
        assert recipes.read(name).conditioning.sites == PAPER_SITES


def test_the_papers_schedules():
    training = recipes.read("paper/cifar10-vae").training
    assert (training.steps, training.batch, training.lr) == (1_200_000, 128, 1e-4)
    assert training.milestones == [600_000, 780_000, 960_000, 1_140_000]
    training = recipes.read("paper/shapes3d-vae").training
    assert (training.steps, training.batch, training.lr) == (700_000, 64, 2e-4)
    assert training.milestones == [300_000, 390_000, 480_000, 570_000]


def test_the_comparison_differs_from_the_papers_conditioning_in_nothing_else():
    ours, papers = recipes.read("vae/fashion-mnist"), recipes.read("vae/fashion-mnist-paper")
    assert ours.loss_space() == papers.loss_space()
    assert ours.options == papers.options
    assert (ours.training.steps, ours.training.batch) == (papers.training.steps, papers.training.batch)
    assert ours.comparison == papers.comparison
