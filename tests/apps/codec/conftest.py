"""The tiny codec, and a picture to code."""

import numpy as np
import pytest

from apps.codec.golden import DATA, opened


@pytest.fixture(scope="session")
def tiny():
    from yoto import codec

    return codec.load(DATA / "tiny.safetensors")


@pytest.fixture
def here(monkeypatch):
    """The tiny codec is found by its fingerprint."""
    monkeypatch.setenv("YOTO_MODELS", str(DATA))


@pytest.fixture(scope="session")
def photo():
    """Part of a photograph: uint8 [140, 200, 3]."""
    return np.asarray(opened(DATA / "tiles-original.png"))
