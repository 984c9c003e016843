"""What the documents promise of the bundled codec."""

import re
from pathlib import Path

import pytest

from yoto import codec
from yoto.apps.codec.format.coder import default
from yoto.apps.codec.search import Trial
from yoto.data import images
from yoto.data.photographs import BUNDLED

ROOT = Path(__file__).parents[3]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "src/yoto/apps/codec/commands.py")


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(BUNDLED.glob("*.webp")), ids=lambda file: file.stem)
def test_every_psnr_in_an_example_is_within_reach(file):
    wanted = [float(value) for path in DOCUMENTS for value in re.findall(r"--psnr (\d+)", path.read_text("utf-8"))]
    assert wanted
    trial = Trial(images.read_picture(file), codec.load(), 1024, default())
    assert trial.measure(trial(255)) > max(wanted) - 0.1
