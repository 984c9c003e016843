"""Where the tiny codec and its golden files are (made by scripts/tiny_codec.py), and what is known of them."""

import json
from pathlib import Path

from PIL import Image

DATA = Path(__file__).parents[2] / "data" / "codec"
GOLDEN = json.loads((DATA / "expected.json").read_text())


def opened(path):
    """A picture, read whole, its file closed."""
    with Image.open(path) as image:
        image.load()
        return image
