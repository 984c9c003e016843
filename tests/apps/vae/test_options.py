"""What the options accept, and that they need no torch."""

from __future__ import annotations

import subprocess
import sys

import pydantic
import pytest

from yoto.apps.vae.options import VAEOptions


@pytest.mark.parametrize(
    ("given", "image", "latents"),
    [
        ({}, (28, 1), 16),
        ({"dataset": "digits"}, (8, 1), 8),
        ({"dataset": "shapes"}, (64, 3), 10),
        ({"dataset": "folder", "size": 48}, (48, 3), 64),
        ({"dataset": "cifar10", "network": "paper-cifar10"}, (32, 3), 256),
        ({"dataset": "shapes", "network": "paper-shapes3d"}, (64, 3), 10),
        ({"dataset": "folder", "latent": 5}, (32, 3), 5),
    ],
)
def test_defaults_follow_the_data_set_and_network(given, image, latents):
    options = VAEOptions(**given)
    assert (options.image, options.latents) == (image, latents)


@pytest.mark.parametrize(
    "given",
    [
        {"dataset": "imagenet"},
        {"width": 3},
        {"latent": 0},
        {"latent": "16"},
        {"colour": True},
        {"size": 33},
        {"dataset": "digits", "network": "paper-cifar10"},
        {"dataset": "cifar10", "network": "paper-shapes3d"},
    ],
)
def test_what_does_not_fit_is_refused(given):
    with pytest.raises(pydantic.ValidationError):
        VAEOptions(**given)


def test_a_paper_network_names_the_images_it_wants():
    with pytest.raises(pydantic.ValidationError, match=r"64x64 colour images, with 'cifar10': 32x32, 3"):
        VAEOptions(dataset="cifar10", network="paper-shapes3d")


def test_options_need_no_torch():
    code = "import sys, yoto.apps.vae.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
