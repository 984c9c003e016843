"""The random inputs of every step: samples, λ and the noise of this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from yoto.data import Data
from yoto.errors import YotoError
from yoto.space import LossSpace, Sampling
from yoto.training.schedules import knots_at
from yoto.training.streams import Order, derive, generator


class Batches:
    """Draws step `n`'s samples and λ from (seed, n) alone, whatever came before.

    λ is drawn for the whole batch (so that stratification spans processes) and shared out like the samples.
    """

    def __init__(
        self,
        data: Data,
        space: LossSpace,
        *,
        seed: int,
        batch: int,
        steps: int,
        fixed: Tensor | None = None,
        sampling: Sampling = "stratified",
        per_batch: bool = False,
        tilt: Sequence[float] | None = None,
        spread: Sequence[float] | None = None,
        device: torch.device | None = None,
        channels_last: bool = False,
        rank: int = 0,
        shares: int = 1,
        accumulate: int = 1,
    ) -> None:
        """
        Args:
            data: Training data.
            space: Where λ is drawn from.
            seed: The run's seed.
            batch: Samples per step over all processes and accumulated parts.
            steps: Length of the run, over which `tilt` and `spread` move.
            fixed: λ [D] of a fixed-weight model; nothing is drawn then.
            sampling: How λ is drawn, see `LossSpace.sample`.
            per_batch: One λ [D] for the whole batch in place of one per sample [B, D].
            tilt, spread: Knots (see `schedules.knots_at`) of how P_λ is moved and narrowed (see
                `LossSpace.sample`); None: not at all.
            device: Where λ goes; `data` should give batches there.
            channels_last: Whether image batches get that memory layout.
            rank, shares: This process and the number of processes.
            accumulate: Parts in which a process takes its share.

        Raises:
            YotoError: If the batch cannot be shared out evenly.
        """
        if batch % (shares * accumulate):
            raise YotoError(
                f"`training.batch` should be a multiple of {shares * accumulate} ({shares} processes × {accumulate} "
                f"accumulated parts). Found {batch}."
            )
        self.data, self.space, self.seed, self.steps = data, space, seed, steps
        self.batch = batch
        self.fixed = None if fixed is None else fixed.to(device)
        self.sampling, self.per_batch = sampling, per_batch
        self.tilt, self.spread = tilt or (0.0, 0.0), spread or (1.0, 1.0)
        self.device, self.channels_last = device, channels_last
        self.rank, self.accumulate = rank, accumulate
        self.share = batch // (shares * accumulate)
        self.order = Order(len(data), batch, seed)

    def draw(self, step: int, part: int = 0) -> tuple[Any, Tensor]:
        """Batch and λ of part `part` of step `step` (from 0); also seeds torch's global generator for its noise."""
        seed = derive(self.seed, "noise", step, self.rank, part)
        if self.device is None or self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # a tenth of the time of torch.manual_seed
        else:
            torch.manual_seed(seed)
        start = (self.rank * self.accumulate + part) * self.share
        indices = self.order.indices(step)[start : start + self.share]
        batch = self.data.batch(indices, generator(self.seed, "augment", step, self.rank, part))
        if self.channels_last and isinstance(batch, Tensor) and batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        return batch, self.parameters(step, start)

    def parameters(self, step: int, start: int) -> Tensor:
        """λ [share, D] for samples `start` and following of step `step`, or one λ [D]."""
        if self.fixed is not None:
            return self.fixed
        lam = self.space.sample(
            1 if self.per_batch else self.batch,
            generator=generator(self.seed, "lambda", step),
            method=self.sampling,
            tilt=knots_at(step, self.steps, self.tilt),
            spread=knots_at(step, self.steps, self.spread),
        )
        lam = lam[0] if self.per_batch else lam[start : start + self.share]
        return lam if self.device is None else lam.to(self.device, non_blocking=True)
