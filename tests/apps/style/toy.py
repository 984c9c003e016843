"""A small untrained style model with two paintings, and pictures to paint."""

from __future__ import annotations

import numpy as np
from PIL import Image

NAMES = ("dots", "stripes")
SETTINGS = [
    "channels=[8, 16]", "blocks=[1]", "last=4", "features=untrained", "judge=untrained", "size=64", "crop=64",
    "jitter=4",
    "training.steps=2", "training.batch=2", "training.precision=32-true", "conditioning.hidden=[8]",
]  # fmt: skip


def paintings(folder):
    """A folder with two paintings and what is known of one."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    dots = (rng.random((90, 120, 1)) > 0.7) * np.array([220, 60, 40])
    stripes = (np.arange(120)[None, :, None] // 6 % 2) * np.array([30, 90, 230]) + np.zeros((100, 1, 1))
    for name, array in zip(NAMES, (dots, stripes), strict=True):
        Image.fromarray(array.astype(np.uint8)).save(folder / f"{name}.png")
    (folder / "SOURCES.tsv").write_text("name\ttitle\tlicence\ndots\tMany Dots\tpublic domain\n")
    return folder


def recipe(folder, *changes):
    """The bank's recipe for the toy."""
    from yoto.recipe import read

    return read("style/bank", [*SETTINGS, f"styles={folder}", *changes])


def save(folder, path):
    """The toy as a bundle; far from its start, so that λ matters."""
    import torch

    from yoto import bundle
    from yoto.build import build_model
    from yoto.registry import load_task

    made = recipe(paintings(folder))
    task = load_task(made.task, made.options)
    model = build_model(made, task)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.film.heads.weight.normal_(0, 0.5, generator=generator)
        model.film.heads.bias.normal_(0, 0.5, generator=generator)
    tensors, facts = task.extras(model)
    bundle.halve(model)
    bundle.save(model, path, recipe=made, extras=tensors, info=facts, half=True)
    return path


def photograph(height, width, seed=0):
    """A picture with structure at every size, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return (smooth + rng.integers(-12, 12, smooth.shape)).clip(0, 255).astype(np.uint8)
