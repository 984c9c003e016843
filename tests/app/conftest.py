"""The models behind the pages, loaded once per process."""

from __future__ import annotations

import pytest

from app import samples, toys
from stylize import toy


@pytest.fixture(scope="session")
def compression():
    from yoto.app.compression import Compression

    return Compression()


@pytest.fixture(scope="session")
def style(tmp_path_factory):
    """The page of a small untrained style model."""
    from yoto.app.style import Style

    folder = tmp_path_factory.mktemp("style")
    return Style(str(toy.save(folder / "paintings", folder / "toy.safetensors")))


@pytest.fixture(scope="session")
def vae():
    from yoto.app.vae import Autoencoders

    return Autoencoders()


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """The page of an untrained VAE of digits."""
    from yoto.app.own import Own

    return Own(str(toys.digits(tmp_path_factory.mktemp("own") / "digits.safetensors")))


@pytest.fixture(scope="session")
def picture():
    """A small photograph, as an upload is read."""
    from yoto.app import uploads

    return uploads.decoded(samples.png())
