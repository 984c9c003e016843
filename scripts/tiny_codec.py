"""Make the codec that the tests use, and the golden files that it must read for ever: tests/data/codec.

    python scripts/tiny_codec.py

A small network, trained for a few hundred steps on the photographs that come with the package. Run it only when the
format changes before a release: files of a released version stay readable.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from yoto import bundle, codec
from yoto.apps.codec.format import container
from yoto.data.photographs import BUNDLED
from yoto.recipe import read
from yoto.registry import load_task
from yoto.training import train

ROOT = Path(__file__).parents[1]
OUT = ROOT / "tests/data/codec"
CHANGES = [
    "options.channels=8",
    "options.latents=16",
    "options.crop=64",
    f"options.data={BUNDLED}",
    "training.steps=400",
    "training.warmup=20",
    "training.precision=32-true",
]


def pictures() -> dict[str, Image.Image]:
    """Small pictures of every kind."""
    photo = Image.open(BUNDLED / "tea-gardens.webp").convert("RGB")
    crop = photo.crop((200, 150, 300, 220))
    alpha = crop.copy()
    alpha.putalpha(Image.fromarray(np.add.outer(np.arange(70), np.arange(100)).astype(np.uint8)))
    return {
        "rgb": crop,
        "grey": crop.convert("L").crop((0, 0, 67, 33)),
        "alpha": alpha,
        "one": crop.crop((5, 5, 6, 6)),
        "tiles": photo.crop((0, 0, 200, 140)),
    }


def main() -> None:
    """Train, pack and write."""
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    recipe = read("compression/hyperprior-2", CHANGES)
    with tempfile.TemporaryDirectory() as folder:
        result = train(recipe, folder, force=True, accelerator="cpu", progress=False)
    model = result.model.cpu().eval()
    bundle.halve(model)
    task = load_task(recipe.task, recipe.options)
    extras, facts = task.extras(model)
    shared = recipe.replace({"options.data": None})
    bundle.save(model, OUT / "tiny.safetensors", recipe=shared, info=facts, extras=extras, half=True)
    loaded = codec.load(OUT / "tiny.safetensors")
    expected = {}
    for name, picture in pictures().items():
        quality = {"grey": 80, "one": 100}.get(name, 50)
        data = codec.compress(picture, quality=quality, model=loaded, tile=128 if name == "tiles" else 1024)
        (OUT / f"{name}.yoto").write_bytes(data)
        codec.decompress(data, model=loaded).save(OUT / f"{name}.png", optimize=True)
        expected[name] = {"bytes": len(data), "symbols": container.parse(data).symbols}
        picture.save(OUT / f"{name}-original.png", optimize=True)
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    total = sum(file.stat().st_size for file in OUT.iterdir())
    print(f"{OUT}: {total / 1024:.0f} KiB, fingerprint {loaded.fingerprint.hex()}")


if __name__ == "__main__":
    main()
