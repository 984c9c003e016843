"""Means and standard errors over samples, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.errors import YotoError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Sums:
    """Running sums of per-sample values in float64, at one λ.

    Args:
        point: The free parameters, for messages.
    """

    def __init__(self, point: dict[str, float]) -> None:
        self.point = point
        self.count = 0
        self.first: dict[tuple[str, str], float] = {}
        self.origin: dict[tuple[str, str], float] = {}
        """A value of each, from which deviations are taken: squares of the values would drown a small variance."""
        self.deviation: dict[tuple[str, str], float] = {}
        self.second: dict[tuple[str, str], float] = {}
        self.reduced: set[tuple[str, str]] = set()

    def add(self, groups: Mapping[str, Mapping[str, Tensor]], size: int) -> None:
        """Add values by group and name, each [size], or reduced over the batch.

        Raises:
            YotoError: If one has another length or is not finite.
        """
        import torch

        keys = [(group, name) for group, values in groups.items() for name in values]
        for group, name in keys:
            if not isinstance(groups[group][name], (torch.Tensor, int, float)):
                raise YotoError(
                    f"{group.capitalize()} {name!r} should be a tensor, one number per sample, shape [{size}]. "
                    f"Found {type(groups[group][name]).__name__}."
                )
        values = [torch.as_tensor(groups[group][name]).detach().flatten() for group, name in keys]
        for key, value in zip(keys, values, strict=True):
            if len(value) not in (1, size):
                raise YotoError(
                    f"{key[0].capitalize()} {key[1]!r} should hold one number per sample, shape [{size}]. "
                    f"Found {len(value)} numbers."
                )
            if len(value) < size:
                self.reduced.add(key)
        table = torch.stack([value.expand(size) for value in values]).to("cpu", torch.float64)
        if not bool(table.isfinite().all()):
            bad = keys[int((~table.isfinite()).any(dim=1).nonzero()[0])][1]
            raise YotoError(
                f"{bad!r} should be finite. Found NaN or infinity at {self.point}, in samples {self.count} to "
                f"{self.count + size - 1}. Usually: a diverged training run."
            )
        if not size:
            return
        for key, value in zip(keys, table[:, 0].tolist(), strict=True):
            self.origin.setdefault(key, value)
        moved = table - table.new_tensor([self.origin[key] for key in keys])[:, None]
        sums = (each.sum(dim=1).tolist() for each in (table, moved, moved.square()))
        for key, *found in zip(keys, *sums, strict=True):
            for column, value in zip((self.first, self.deviation, self.second), found, strict=True):
                column[key] = column.get(key, 0.0) + value
        self.count += size

    def means(self) -> dict[tuple[str, str], float]:
        """Mean by group and name."""
        return {key: value / self.count for key, value in self.first.items()}

    def errors(self) -> dict[tuple[str, str], float]:
        """Standard error of each mean; none for values that came reduced over a batch, or for one sample."""
        if self.count < 2:
            return {}
        spread = {}
        for key, deviation in self.deviation.items():
            if key not in self.reduced:
                variance = max(0.0, self.second[key] - deviation**2 / self.count) / (self.count - 1)
                spread[key] = (variance / self.count) ** 0.5
        return spread
