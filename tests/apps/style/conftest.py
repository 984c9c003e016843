import pytest

from apps.style import toy


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The toy as a bundle, without its network in ONNX."""
    folder = tmp_path_factory.mktemp("style")
    return toy.save(folder / "paintings", folder / "toy.safetensors")


@pytest.fixture(scope="session")
def painter(model):
    from yoto import stylize

    return stylize.load(model, engine="torch")
