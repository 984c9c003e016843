"""What a training run reports: window means for the log, and the check that the loss is still sane."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.space import LossSpace

EXPLODED = 100.0
STEERED = -0.1
"""A term follows its weight where their rank correlation over the samples of a window is at most this."""
ENOUGH = 256
"""Samples from which that is told."""


class Monitor:
    """Collects the detached terms of every step and looks at them only when asked, so that no step waits.

    The loss exploded when its balanced mean over a window exceeds 100 times the largest batch mean of the first window
    (balanced, so that a window of heavier weights is no explosion).
    With several processes each one adds its own share of the batch; the shares are brought together when they are
    looked at, which all processes do at the same steps. So all of them see the same numbers and decide alike.

    Args:
        objective: Of the run.
        gather: With several processes: a tensor of this one to those of all, stacked along a new first dimension.
    """

    def __init__(self, objective: Objective, gather: Callable[[Tensor], Tensor] | None = None) -> None:
        self.objective = objective
        self.gather = gather
        self.united = 0  # entries of the window that hold the whole batch already
        self.space = objective.space
        self.reference: float | None = None
        self.window: list[tuple[int, dict[str, Tensor], Tensor, Tensor]] = []
        self.edges = thirds(self.space)
        self.steering: dict[str, float] = {}

    def add(self, step: int, terms: Mapping[str, Tensor], lam: Tensor, norm: Tensor) -> None:
        """Keep one step's terms [B], λ ([B, D] or [D]) and gradient norm (scalar); `step` counts from 1."""
        self.window.append((step, {name: value.detach() for name, value in terms.items()}, lam, norm))

    def unite(self) -> None:
        """Bring the shares of all processes together; in each of them at the same step."""
        new = self.window[self.united :]
        if self.gather is not None and new:
            steps, terms, lam, norms = zip(*new, strict=True)
            whole = {name: self.of_all(torch.stack([each[name] for each in terms])) for name in terms[0]}
            points = torch.stack(lam)
            points = self.of_all(points) if points.ndim == 3 else points  # else one λ for all
            columns = ({name: value[row] for name, value in whole.items()} for row in range(len(new)))
            self.window[self.united :] = list(zip(steps, columns, points, norms, strict=True))
        self.united = len(self.window)

    def of_all(self, mine: Tensor) -> Tensor:
        """[W, B, …] of this process as [W, all B, …] of all; the mean of what is one number per batch, [W]."""
        assert self.gather is not None
        shares = self.gather(mine)
        return shares.mean(0) if mine.ndim == 1 else torch.cat(list(shares), dim=1)

    def tensors(self) -> dict[str, Tensor]:
        """The window, for a checkpoint: steps [W], and terms, λ and gradient norms of the W steps."""
        if not self.window:
            return {}
        self.unite()
        steps, terms, lam, norms = zip(*self.window, strict=True)
        found = {"step": torch.tensor(steps), "lam": torch.stack(lam), "norm": torch.stack(norms)}
        return found | {f"term/{name}": torch.stack([each[name] for each in terms]) for name in terms[0]}

    def load_tensors(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Take up a window; a checkpoint of an earlier version has none."""
        if not tensors:
            return
        own = {name: value.to(device) for name, value in tensors.items()}
        terms = {name.removeprefix("term/"): value for name, value in own.items() if name.startswith("term/")}
        self.window = [
            (step, {name: value[row] for name, value in terms.items()}, own["lam"][row], own["norm"][row])
            for row, step in enumerate(tensors["step"].tolist())
        ]
        self.united = len(self.window)

    def check_window(self) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Terms [W, B], full losses [W, B], λ [W, B, D] and gradient norms [W] of a window of W steps, on the CPU.

        With one λ per batch B is 1 for losses and λ, and terms that the task reduced itself are [W].

        Raises:
            YotoError: If a loss or gradient is not finite, naming the first such step and the λ of its worst sample.
        """
        self.unite()
        terms = {name: torch.stack([e[1][name] for e in self.window]).float().cpu() for name in self.window[0][1]}
        norms = torch.stack([entry[3] for entry in self.window]).float().cpu()
        lam = torch.stack([entry[2] for entry in self.window]).float().cpu()
        rows = [self.objective.loss({n: t[row] for n, t in terms.items()}, lam[row]) for row in range(len(lam))]
        losses = torch.stack(rows)
        lam = (lam if lam.ndim == 3 else lam[:, None]).expand(-1, losses.shape[1], -1)
        bad = ~(losses.isfinite().all(1) & norms.isfinite())
        if bad.any():
            row = int(bad.nonzero()[0])
            worst = int(losses[row].abs().nan_to_num(nan=math.inf).argmax())
            self.fail("be finite", row, worst, losses, terms, lam, norms)
        return terms, losses, lam, norms

    def read_window(self) -> dict[str, float]:
        """Means over the window, which starts anew: loss, every term, gradient norm, loss in each third of λ, and the
        rank correlation of each weight that varies with the term that it weighs, over samples.

        Raises:
            YotoError: As `check_window`, and if the loss exploded.
        """
        terms, losses, lam, norms = self.check_window()
        means = losses.mean(1)
        heaviest = lam[:, :, [self.space.names.index(w) for w in self.space.weights]].sum(2)
        judged = (losses / heaviest.clamp_min(1e-12)).mean(1) if self.space.weights else means
        if self.reference is None:
            self.reference = float(judged.abs().max())
        elif float(judged.mean()) > EXPLODED * self.reference:
            row = int(judged.argmax())
            wanted = f"stay below {EXPLODED:g} times its first values ({self.reference:.4g})"
            self.fail(wanted, row, int(losses[row].argmax()), losses, terms, lam, norms)
        row_ = {"loss": float(means.mean())}
        row_ |= {name: float(value.mean()) for name, value in terms.items()}
        row_["gradient_norm"] = float(norms.mean())
        flat = losses.flatten()
        for name, column, low, high in self.edges:
            values = lam[:, :, column].flatten()
            masks = (values < low, (values >= low) & (values < high), values >= high)
            for label, mask in zip(("low", "middle", "high"), masks, strict=True):
                row_[f"loss_{name}_{label}"] = float(flat[mask].mean())
        self.steering = steering(self.space, terms, lam)
        row_ |= {f"correlation_{name}": value for name, value in self.steering.items()}
        self.window.clear()
        self.united = 0
        return row_

    def remarks(self) -> list[str]:
        """What the last window says against conditioning, a line each; none where every term follows its weight."""
        return [
            f"decorative conditioning: {name!r} does not fall as its weight rises (rank correlation {value:+.2f} over "
            "the last samples); see yoto.steerability"
            for name, value in self.steering.items()
            if not value <= STEERED
        ]

    def fail(
        self, wanted: str, row: int, worst: int, losses: Tensor, terms: dict[str, Tensor], lam: Tensor, norms: Tensor
    ) -> None:
        """Raise the error for sample `worst` of row `row` of the window."""
        values = zip(self.space.names, lam[row, worst].tolist(), strict=True)
        at = ", ".join(f"{name}={value:.4g}" for name, value in values)
        parts = ", ".join(f"{name} {float(value[row].flatten()[worst]):.4g}" for name, value in terms.items())
        raise YotoError(
            f"The training loss should {wanted}. Found {float(losses[row, worst]):.4g} at step {self.window[row][0]} "
            f"for λ {at} ({parts}; gradient norm {float(norms[row]):.4g}). Usually: too high a learning rate; "
            "give a lower training.lr or a longer training.warmup."
        )


def steering(space: LossSpace, terms: Mapping[str, Tensor], lam: Tensor) -> dict[str, float]:
    """Rank correlation of each weight that varies with its own term, over the samples of a window.

    Args:
        terms: [W, B] each; those that came reduced over the batch are left out.
        lam: [W, B, D]; of a network that is trained for one λ there is none to tell.
    """
    found = {}
    for name in space.free_weights:
        if name not in terms or terms[name].shape != lam.shape[:2] or terms[name].numel() < ENOUGH:
            continue
        term, weight = terms[name].flatten(), lam[:, :, space.names.index(name)].flatten()
        if weight.min() < weight.max():
            ranks = torch.stack([values.argsort(stable=True).argsort().double() for values in (term, weight)])
            found[name] = float(torch.corrcoef(ranks)[0, 1]) if term.min() < term.max() else 0.0
    return found


def thirds(space: LossSpace) -> list[tuple[str, int, float, float]]:
    """Column name, column and the two values that cut its distribution into thirds, for each column that varies."""
    if not space.free:
        return []
    lam = space.sample(3000, generator=torch.Generator().manual_seed(0))
    result = []
    for column, name in enumerate(space.names):
        low, high = torch.quantile(lam[:, column], torch.tensor([1 / 3, 2 / 3])).tolist()
        if lam[:, column].min() < low < high:
            result.append((name, column, low, high))
    return result
