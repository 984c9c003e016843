"""The problems of own_loop.py, each with a plain network, its loss terms, data and the λ that are measured."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from yoto import LogUniform, LossSpace, Simplex
from yoto.data.idx import read_idx
from yoto.data.locate import find
from yoto.errors import YotoError

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Problem:
    """One own loop.

    Attributes:
        network: Makes a plain network with random parameters, so many times as wide as usual.
        terms: `(net, batch) -> {name: [B]}`.
        space: The loss space.
        data: Gives training and test tensors; the first dimension holds the samples.
        batch, epochs: Of training.
        points: Where networks are trained alone, and everything is measured.
        note: What a reader of the figures should know.
    """

    network: Callable[[float], nn.Module]
    terms: Callable[[nn.Module, Batch], dict[str, Tensor]]
    space: LossSpace
    data: Callable[[], tuple[Batch, Batch]]
    batch: int
    epochs: int
    points: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""


# ---- Fashion-MNIST: classify and reconstruct from a code of 12 numbers


class Pictures(nn.Module):
    """A code of 12 numbers from a picture; the class and the picture from the code. Batch norm everywhere."""

    def __init__(self, width: float = 1) -> None:
        super().__init__()
        a, b, c = (int(n * width) for n in (12, 16, 64))
        self.encoder = nn.Sequential(
            nn.Conv2d(1, a, 4, 4, bias=False), nn.BatchNorm2d(a), nn.ReLU(),
            nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Flatten(), nn.Linear(b * 49, c, bias=False), nn.BatchNorm1d(c), nn.ReLU(), nn.Linear(c, 12),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(12, c, bias=False), nn.BatchNorm1d(c), nn.ReLU(), nn.Linear(c, 10))
        self.decoder = nn.Sequential(
            nn.Linear(12, b * 49, bias=False), nn.BatchNorm1d(b * 49), nn.ReLU(), nn.Unflatten(1, (b, 7, 7)),
            nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, 16, 1), nn.PixelShuffle(4),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, 10] and the picture [B, 1, 28, 28]."""
        code = self.encoder(x)
        return self.head(code), self.decoder(code)


def picture_terms(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross entropy in nats, and the squared error summed over the picture's 784 grey values in [0, 1]."""
    x, label = batch
    logits, picture = net(x)
    return {
        "classification": cross_entropy(logits, label, reduction="none"),
        "reconstruction": (picture - x).square().flatten(1).sum(1),
    }


@cache
def pictures() -> tuple[Batch, Batch]:
    """Fashion-MNIST: 60,000 and 10,000 pictures [N, 1, 28, 28] with labels [N]."""
    parts = []
    for part in ("train", "t10k"):
        file = find("fashion-mnist", (f"{part}-images-idx3-ubyte.gz",))
        labels = file.with_name(file.name.replace("images-idx3", "labels-idx1"))
        images = torch.from_numpy(read_idx(file)).float().div_(255)[:, None]
        parts.append((images, torch.from_numpy(read_idx(labels)).long()))
    return parts[0], parts[1]


# ---- kin8nm: fit a robot arm's reach, and keep the answer when the inputs are noisy


def smooth_network(width: float) -> nn.Module:
    """Eight joint angles to one distance."""
    n = int(64 * width)
    return nn.Sequential(nn.Linear(8, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 1))


def smooth_terms(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Squared error (target standardised), and squared change of the answer under noise of 0.5 on the inputs."""
    x, target = batch
    answer, moved = net(x).squeeze(1), net(x + 0.5 * torch.randn_like(x)).squeeze(1)
    return {"fit": (answer - target).square(), "change": (moved - answer).square()}


@cache
def arm() -> tuple[Batch, Batch]:
    """kin8nm of `YOTO_DATA/tables`: 6,144 and 2,048 rows, standardised by the training rows."""
    file = Path(os.environ.get("YOTO_DATA", "")) / "tables" / "kin8nm.txt.gz"
    if not file.is_file():
        raise YotoError(f"YOTO_DATA should name the folder that holds tables/kin8nm.txt.gz. Found none at {file}.")
    rows = np.loadtxt(file, dtype=np.float32)
    rows = torch.from_numpy(rows[np.random.default_rng(0).permutation(len(rows))])
    known = rows[:6144]
    rows = (rows - known.mean(0)) / known.std(0)
    return (rows[:6144, :-1], rows[:6144, -1]), (rows[6144:, :-1], rows[6144:, -1])


# ---- curves: stay near the data, be smooth, be sparse

POINTS = 32
"""Of a curve."""


def curve_network(width: float) -> nn.Module:
    """A noisy curve [B, 32] to another."""
    n = int(128 * width)
    return nn.Sequential(nn.Linear(POINTS, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, POINTS))


def curve_terms(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Mean squares of the distance to the data and of second differences (times 4), and mean absolute value (by 2)."""
    (x,) = batch
    y = net(x)
    return {
        "fit": (y - x).square().mean(1),
        "roughness": 4 * y.diff(n=2, dim=1).square().mean(1),
        "size": y.abs().mean(1) / 2,
    }


def made_curves(n: int, seed: int) -> Tensor:
    """Curves [n, POINTS] of three sine waves and a step, with noise of 0.3."""
    generator = torch.Generator().manual_seed(seed)
    position = torch.linspace(0, 1, POINTS)
    phase, amplitude = torch.rand(2, n, 3, 1, generator=generator)
    waves = (2 * math.pi * (torch.arange(1, 4)[:, None] * position + phase)).sin() * amplitude
    where, height = torch.rand(n, 1, generator=generator), torch.randn(n, 1, generator=generator)
    noise = 0.3 * torch.randn(n, POINTS, generator=generator)
    return waves.sum(1) + height * (position > where) + noise


@cache
def curves() -> tuple[Batch, Batch]:
    """Made-up: 16,384 curves and 4,096."""
    x = made_curves(20480, 0)
    return (x[:16384],), (x[16384:],)


CORNERS = {
    "fit": {"fit": 0.9, "roughness": 0.05, "size": 0.05},
    "roughness": {"fit": 0.05, "roughness": 0.9, "size": 0.05},
    "size": {"fit": 0.05, "roughness": 0.05, "size": 0.9},
    "equal": {"fit": 1 / 3, "roughness": 1 / 3, "size": 1 / 3},
}


# ---- three tasks through four numbers

TASKS = ("first", "second", "third")


class Shared(nn.Module):
    """Sixteen inputs to a code of four numbers, from which three heads answer."""

    def __init__(self, width: float = 1) -> None:
        super().__init__()
        n, h = int(64 * width), int(48 * width)
        self.trunk = nn.Sequential(nn.Linear(16, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 4))
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(4, h), nn.ReLU(), nn.Linear(h, 2)) for _ in TASKS)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Three answers, [B, 2] each."""
        code = self.trunk(x)
        return [head(code) for head in self.heads]


def task_terms(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Mean squared error of each task, whose targets have unit variance."""
    x, targets = batch
    answers = net(x)
    return {task: (answers[i] - targets[:, i]).square().mean(1) for i, task in enumerate(TASKS)}


@cache
def tasks() -> tuple[Batch, Batch]:
    """Made-up: 20,000 and 4,000 rows; each task's two targets are random networks of the inputs, plus noise of 0.1."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(24000, 16, generator=generator)
    first = torch.randn(3, 16, 24, generator=generator) / 4
    second = torch.randn(3, 24, 2, generator=generator) / math.sqrt(24)
    targets = torch.einsum("tnh,tho->nto", torch.einsum("ni,tih->tnh", x, 1.5 * first).tanh(), second)
    targets = (targets - targets.mean(0)) / targets.std(0)
    targets = targets + 0.1 * torch.randn(targets.shape, generator=generator)
    return (x[:20000], targets[:20000]), (x[20000:], targets[20000:])


MIXES = {
    **{task: {other: 0.9 if other == task else 0.05 for other in TASKS} for task in TASKS},
    "equal": dict.fromkeys(TASKS, 1 / 3),
}


PROBLEMS = {
    "pictures": Problem(
        Pictures,
        picture_terms,
        LossSpace(classification=1.0, reconstruction=LogUniform(0.003, 1.0)),
        pictures,
        128,
        8,
        {f"{w:g}": {"reconstruction": w} for w in (0.003, 0.055, 1.0)},
        "of 60,000; with 30,000, in three times the steps, the worst end is at 1.04 (own_loop_more.md)",
    ),
    "arm": Problem(
        smooth_network,
        smooth_terms,
        LossSpace(fit=1.0, change=LogUniform(0.01, 10.0)),
        arm,
        64,
        30,
        {f"{w:g}": {"change": w} for w in (0.01, 0.3, 10.0)},
    ),
    "curves": Problem(
        curve_network,
        curve_terms,
        LossSpace(mix=Simplex("fit", "roughness", "size")),
        curves,
        128,
        16,
        CORNERS,
        "128 units; with 64, which barely hold one setting, the worst end is at 1.07 (own_loop_narrow.md)",
    ),
    "tasks": Problem(Shared, task_terms, LossSpace(mix=Simplex(*TASKS)), tasks, 128, 16, MIXES),
}
