"""The random inputs of every step: samples, λ and the noise of this process."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from yoto.data import Data
from yoto.errors import YotoError
from yoto.recipe import Training
from yoto.space import LossSpace
from yoto.space.sampling import knots_at
from yoto.support.seeds import derive, generator, seed_all
from yoto.training.order import Order


class Batches:
    """Draws step `n`'s samples and λ from (seed, n) alone, whatever came before.

    λ is drawn for the whole batch (so that stratification spans processes) and shared out like the samples.
    """

    def __init__(
        self,
        data: Data,
        space: LossSpace,
        settings: Training,
        *,
        seed: int,
        at: Tensor | None = None,
        device: torch.device | None = None,
        rank: int = 0,
        shares: int = 1,
    ) -> None:
        """
        Args:
            data: Training data.
            space: Where λ is drawn from.
            settings: Samples per step over all processes and accumulated parts, and how λ is drawn and moves.
            seed: The run's seed.
            at: λ [D] of a model that is trained for it alone; nothing is drawn then.
            device: Where λ goes; `data` should give batches there.
            rank, shares: This process and the number of processes.

        Raises:
            YotoError: If the batch cannot be shared out evenly.
        """
        parts = shares * settings.accumulate
        if settings.batch % parts:
            raise YotoError(
                f"`training.batch` should be a multiple of {parts} ({shares} processes × {settings.accumulate} "
                f"accumulated parts). Found {settings.batch}."
            )
        self.data, self.space, self.settings, self.seed = data, space, settings, seed
        self.at = None if at is None else at.to(device)
        self.tilt, self.spread = settings.tilt or (0.0, 0.0), settings.spread or (1.0, 1.0)
        self.device, self.rank = device, rank
        self.share = settings.batch // parts
        self.order = Order(len(data), settings.batch, seed)

    def draw(self, step: int, part: int = 0) -> tuple[Any, Tensor]:
        """Batch and λ of part `part` of step `step` (from 0); also seeds the global random numbers for its noise."""
        seed_all(derive(self.seed, "noise", step, self.rank, part), self.device)
        start = (self.rank * self.settings.accumulate + part) * self.share
        indices = self.order.indices(step)[start : start + self.share]
        batch = self.data.batch(indices, generator(self.seed, "augment", step, self.rank, part))
        if self.settings.channels_last and isinstance(batch, Tensor) and batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        return batch, self.lam(step, start)

    def lam(self, step: int, start: int) -> Tensor:
        """λ [share, D] for samples `start` and following of step `step`, or one λ [D]."""
        if self.at is not None:
            return self.at
        settings = self.settings
        lam = self.space.sample(
            1 if settings.per_batch else settings.batch,
            generator=generator(self.seed, "lambda", step),
            method=settings.sampling,
            tilt=knots_at(step, settings.steps, self.tilt),
            spread=knots_at(step, settings.steps, self.spread),
        )
        lam = lam[0] if settings.per_batch else lam[start : start + self.share]
        return lam if self.device is None else lam.to(self.device, non_blocking=True)
