"""Which norm goes with a λ per sample: batch norm (of the mixture, re-estimated, of each end) or group norm.

    python benchmarks/batch_norm.py [--steps 800] [--seeds 2] [-o results/batch_norm]

A small network for scikit-learn's digits has two losses, cross entropy and w times the error of a reconstruction (w is
log-uniform on [0.003, 1]), and is trained with a λ per sample, the same for each norm. The result is the full loss on
the 300 test digits at three w, in evaluation mode, mean over the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from yoto import Conditional, LogUniform, LossSpace, Objective, condition
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

SPACE = LossSpace(cross_entropy=1.0, reconstruction=LogUniform(0.003, 1.0))
POINTS = (0.003, 0.0548, 1.0)
MIDDLE = POINTS[1]


class Ends(nn.Module):
    """A batch norm with separate statistics for each half of the range of w; `upper` says which sample is in which."""

    upper: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lower_norm, self.upper_norm = (nn.BatchNorm2d(channels, affine=False) for _ in range(2))
        self.affine = nn.Conv2d(channels, channels, 1, groups=channels)
        nn.init.ones_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W], normalised half by half."""
        result = torch.empty_like(x)
        for norm, rows in ((self.lower_norm, ~self.upper), (self.upper_norm, self.upper)):
            if rows.any():
                result[rows] = norm(x[rows])
        return self.affine(result)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch norm": nn.BatchNorm2d,
    "separate statistics per end": Ends,
    "group norm": lambda channels: nn.GroupNorm(8, channels),
}


class Network(nn.Module):
    """Logits [B, 10] and a reconstruction [B, 1, 8, 8] from the same 32 features of 4×4."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 32, 3, padding=1), norm(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 32, 3, 2, 1), norm(32)
        self.classes = nn.Linear(32 * 16, 10)
        self.picture = nn.ConvTranspose2d(32, 1, 4, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Digits [B, 1, 8, 8]."""
        x = self.norm1(self.conv1(x)).relu()
        x = self.norm2(self.conv2(x)).relu()
        return self.classes(x.flatten(1)), self.picture(x)


def terms(network: nn.Module, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Both losses, each [B]."""
    logits, picture = network(x)
    error = (picture - x).square().flatten(1).sum(1)
    return {"cross_entropy": cross_entropy(logits, labels, reduction="none"), "reconstruction": error}


def set_ends(network: nn.Module, weights: Tensor) -> None:
    """Tell norms with two statistics which sample belongs to which."""
    for module in network.modules():
        if isinstance(module, Ends):
            module.upper = weights > MIDDLE


def trained(norm: str, data: tuple[Tensor, Tensor], steps: int, seed: int) -> Conditional[Network]:
    """A conditional network after `steps` steps of Adam with a λ per sample."""
    torch.manual_seed(seed)
    model = condition(Network(NORMS[norm]), SPACE, exclude="conv.*")  # the same layers whatever the norm is
    objective, generator = Objective(SPACE), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(len(data[0]), (128,), generator=generator)
        lam = SPACE.sample(128, generator)
        set_ends(model, lam[:, 1])
        loss = objective(terms(model.at(lam), data[0][rows], data[1][rows]), lam)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def losses(model: Conditional[Network], test: tuple[Tensor, Tensor], batches: list[Tensor] | None) -> list[float]:
    """The full loss at each point, with statistics re-estimated over `batches` where they are given."""
    result = []
    for weight in POINTS:
        at = SPACE.point(reconstruction=weight)
        plain = model.bake(at, recalibrate=batches).eval()
        set_ends(plain, at[1:].expand(len(test[0])))
        with torch.no_grad():
            result.append(SPACE.combine(terms(plain, *test), at).mean().item())
    return result


def main() -> None:
    """Train, measure, print, and write JSON and Markdown if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    digits = load_digits()
    order = torch.randperm(len(digits.images), generator=torch.Generator().manual_seed(0))
    images = torch.from_numpy(digits.images).float()[order, None] / 16
    labels = torch.from_numpy(digits.target).long()[order]
    train, test = (images[300:], labels[300:]), (images[:300], labels[:300])
    rows: dict[str, list[list[float]]] = {}
    for seed in range(options.seeds):
        for norm in NORMS:
            model = trained(norm, train, options.steps, seed)
            rows.setdefault(norm, []).append(losses(model, test, None))
            if norm == "batch norm":
                again = losses(model, test, list(train[0].split(128)))
                rows.setdefault("batch norm, recalibrated", []).append(again)
    means = {norm: [statistics.mean(column) for column in zip(*found, strict=True)] for norm, found in rows.items()}
    lines = [f"| norm | {' | '.join(f'w = {point:g}' for point in POINTS)} |", "| --- | --- | --- | --- |"]
    lines += [f"| {norm} | {' | '.join(f'{value:.4f}' for value in found)} |" for norm, found in means.items()]
    machine = describe_machine(torch.device("cpu"))
    text = "\n".join(lines) + (
        f"\n\nFull loss on the 300 test digits, lower is better. `benchmarks/batch_norm.py --steps {options.steps} "
        f"--seeds {options.seeds}`: mean over seeds 0 to {options.seeds - 1}, network of width 32, Adam, batch 128.\n"
        f"Machine: {machine}.\n"
    )
    print(text)
    if options.out:
        write_atomic(options.out.with_suffix(".md"), text)
        write_atomic(options.out.with_suffix(".json"), json.dumps({"machine": machine, "losses": rows}, indent=1))


if __name__ == "__main__":
    main()
