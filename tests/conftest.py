"""Settings of the whole suite: one thread per process, no user's folders, no display, the same random numbers."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts: the suite runs one process per core
os.environ["MPLBACKEND"] = "Agg"
for name in ("YOTO_DATA", "YOTO_MODELS", "YOTO_DEBUG"):
    os.environ.pop(name, None)

import hypothesis
import pytest

hypothesis.settings.register_profile("yoto", deadline=None, max_examples=30, derandomize=True)
hypothesis.settings.load_profile("yoto")


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test starts from the same state of torch's global generator, whatever ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_make_parametrize_id(config, val, argname):
    """Readable names for tensors and tuples of numbers in parametrised tests."""
    if "torch" in sys.modules and isinstance(val, sys.modules["torch"].Tensor):
        return f"{argname}={'x'.join(map(str, val.shape)) or 'scalar'}"
    if isinstance(val, tuple) and all(isinstance(part, (int, float)) for part in val):
        return f"{argname}={'x'.join(map(str, val))}"
    return None
