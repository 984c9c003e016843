from __future__ import annotations

import numpy as np
import pytest
import torch

from yoto.apps.vae import pictures
from yoto.apps.vae.task import VAETask
from yoto.data.pixels import to_bytes


@pytest.fixture
def digits():
    torch.manual_seed(0)
    task = VAETask({"dataset": "digits"})
    return task, task.network(), task.data("test").batch(torch.arange(5), None)


def size(rows: int, columns: int) -> tuple[int, int]:
    """Height, and width without the margin for labels, of a grid of 8x8 images, which are enlarged by 7."""
    return 4 + rows * 60, 4 + columns * 60


def test_the_first_row_of_reconstructions_is_the_original(digits):
    task, net, x = digits
    picture = pictures.reconstructions(task.likelihood, {"β = 0.5": net, "β = 8": net}, x)
    height, width = size(3, 5)
    margin = picture.shape[1] - width
    assert picture.dtype == np.uint8
    assert picture.shape[0] == height
    assert margin > 20
    tile = picture[4 : 4 + 56, margin + 4 : margin + 60]
    expected = (x[0, 0] * 255).round().byte().numpy().repeat(7, 0).repeat(7, 1)
    assert (tile == expected[..., None]).all()
    assert (picture[64:120, margin:] == picture[124:180, margin:]).all()


def test_labels_are_drawn(digits):
    task, net, x = digits
    picture = pictures.reconstructions(task.likelihood, {"β = 0.5": net}, x)
    margin = picture.shape[1] - size(2, 5)[1]
    assert (picture[64:120, :margin] < 128).any()


def test_samples_use_the_same_latents_in_every_row_and_follow_the_seed(digits):
    task, net, _ = digits

    def samples(nets, seed):
        return pictures.samples(task.likelihood, nets, pictures.draw_latents(4, task.options.latents, seed))

    a = samples({"": net}, seed=1)
    assert a.shape == (*size(1, 4), 3)
    assert (a == samples({"": net}, seed=1)).all()
    assert (a != samples({"": net}, seed=2)).any()
    double = samples({"a": net, "b": net}, seed=1)
    margin = double.shape[1] - size(2, 4)[1]
    assert (double[4:60, margin:] == double[64:120, margin:]).all()


def test_traversals_change_one_dimension_at_a_time(digits):
    task, net, x = digits
    picture = pictures.traversals(task.likelihood, net, x[0], dimensions=[2, 5], steps=3)
    margin = picture.shape[1] - size(2, 3)[1]
    assert picture.shape[0] == size(2, 3)[0]
    z = net.encode(x[:1])[0].detach().clone()
    z[0, 2] = -2.5
    expected = to_bytes(task.likelihood.decode(net, z))[0].repeat(7, 0).repeat(7, 1)
    found = picture[4:60, margin + 4 : margin + 60].astype(int)
    assert abs(found - expected).max() <= 1  # a batch of another size may round otherwise
    assert pictures.traversals(task.likelihood, net, x[0]).shape[0] == size(8, 9)[0]


def test_the_tasks_picture_follows_the_seed(digits):
    task, net, _ = digits
    picture = task.picture(net, None, seed=3)
    assert picture.dtype == np.uint8
    assert picture.shape[0] == size(4, 10)[0]
    assert (picture == task.picture(net, None, seed=3)).all()
    assert (picture != task.picture(net, None, seed=4)).any()
