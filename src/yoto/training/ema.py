"""Exponential moving average of a model's parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Average of the trainable parameters over past steps; buffers are taken from the model as they are.

    The decay rises as (1 + n)/(10 + n) with the number n of updates up to its final value, so that the random
    initial parameters are forgotten early. (`torch.optim.swa_utils.AveragedModel` takes the first update for the
    average itself, copies the network with its buffers, and cannot change places with it.)
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """
        Args:
            model: Its trainable parameters are averaged under the names of `named_parameters()`.
            decay: Final weight of the past, in (0, 1), usually 0.99 to 0.9999.
        """
        self.decay = decay
        self.parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.averages = {name: value.detach().clone() for name, value in self.parameters.items()}
        self.count = 0
        self.pair: tuple[list[Tensor], list[Tensor]] = (list(self.averages.values()), [*self.parameters.values()])

    @torch.no_grad()
    def update(self) -> None:
        """Let the present parameters enter the average."""
        averages, parameters = self.pair
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(averages, parameters, 1 - decay)
        self.count += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's parameters and the averages; a second call exchanges them back."""
        for average, parameter in zip(*self.pair, strict=True):
            present = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(present)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A block in which the model has the averaged parameters."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def tensors(self) -> dict[str, Tensor]:
        """The averages by parameter name, and the number of updates as "#count"."""
        return {**self.averages, "#count": torch.tensor(self.count)}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up the state that `tensors()` gave."""
        for name, average in self.averages.items():
            average.copy_(tensors[name])
        self.count = int(tensors["#count"])
