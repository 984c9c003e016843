"""The order in which a training run visits its samples."""

from __future__ import annotations

import torch
from torch import Tensor

from yoto.errors import YotoError
from yoto.support.seeds import generator


class Order:
    """The order in which the samples of a data set are visited: a fresh permutation in every epoch.

    Batches follow one another without a gap: a batch that reaches the end of an epoch goes on in the next,
    so that every sample is seen equally often, and a batch may be larger than the data set.
    """

    def __init__(self, size: int, batch: int, seed: int) -> None:
        """
        Args:
            size: Number of samples, at least 1.
            batch: Samples per step, at least 1.
            seed: The run's seed.

        Raises:
            YotoError: If there is no sample.
        """
        if size < 1:
            raise YotoError("The training data should hold at least one sample. Found 0. Usually: an empty folder.")
        self.size = size
        self.batch = batch
        self.seed = seed
        self.current: tuple[int, Tensor] | None = None

    def indices(self, step: int) -> Tensor:
        """The int64 indices [batch] of step `step` (from 0)."""
        epoch, offset = divmod(step * self.batch, self.size)
        parts: list[Tensor] = []
        missing = self.batch
        while missing:
            part = self.permutation(epoch)[offset : offset + missing]
            parts.append(part)
            missing -= len(part)
            epoch, offset = epoch + 1, 0
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def permutation(self, epoch: int) -> Tensor:
        """The int64 permutation [size] of epoch `epoch`; the last one asked for is kept."""
        if self.current is None or self.current[0] != epoch:
            order = torch.randperm(self.size, generator=generator(self.seed, "order", epoch))
            self.current = (epoch, order)
        return self.current[1]
