"""Rounding while encoding: to the nearest integer, or towards zero where that saves more bits than the error is worth.

Rate-distortion optimised quantisation of classic codecs, on the symbols of a learned one. A decoder knows nothing of
it, but a network trained with it expects it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from yoto.apps.codec.format.tables import COUNT, cost, normal_tables
from yoto.apps.codec.likelihoods import LARGEST_SCALE, SMALLEST_SCALE, gaussian_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from yoto.apps.codec.format.tables import Table

LARGEST = 32
"""Magnitude above which values are rounded to the nearest integer."""
SPACING = math.log(LARGEST_SCALE / SMALLEST_SCALE) / (COUNT - 1)
"""Of the tables' scales, in their logarithm."""
NEAREST = (40.0, 11.0)
"""Prices for encoding with a network that was trained with rounding to the nearest integer, at the lowest and at the
highest level, chosen on validation photographs (benchmarks/rounding.py). What is rounded towards zero adds up there,
the more the lower the rate.
"""
OWN = (1.5, 0.9)
"""The same for a network that was trained with a price of its own, as factors on that."""


class Rounding:
    """Chooses symbols of latents at one price of an error.

    An error of its own is worth about 8 bits per squared step: 6/ln 2 = 8.7 is the slope of bits over squared error
    where steps are small against deviations.

    Args:
        bits: What `bits_of` gave for the tables of all scales.
        price: Bits per squared quantisation step of error; infinite for rounding to the nearest integer.
    """

    def __init__(self, bits: Tensor, price: float) -> None:
        # Of a value r next to n > 0, n - 1 adds 2 (r - n) + 1 to the squared error: less than what it saves, over the
        # price, below this place. None is rounded down beyond `LARGEST`.
        saved = (bits[:, 1 : LARGEST + 1] - bits[:, :LARGEST]).clamp_min(0.0)
        places = torch.arange(1, LARGEST + 1) - 0.5 + saved / (2 * price)
        none = torch.zeros(len(bits), 1)
        self.places, self.costs = torch.cat([none, places, none], dim=1).flatten(), bits.flatten()

    @classmethod
    def normal(cls, price: float) -> Rounding:
        """By the tables of normal distributions: those of a network that is being trained."""
        return cls(bits_of(normal_tables()), price)

    def __call__(self, residual: Tensor, log_scale: Tensor) -> Tensor:
        """Symbols, whole numbers in the type of `residual`.

        Args:
            residual: Differences from the mean in steps, any shape.
            log_scale: Of the same shape.
        """
        size = residual.abs()
        nearest = size.round()
        down = size < self.at("places", log_scale, nearest)
        return (nearest - down.to(nearest)).copysign(residual)

    def moved(self, residual: Tensor, log_scale: Tensor) -> Tensor:
        """Differences such that the nearest integer is the symbol to choose, by a rising function of each.

        What would have to move by half a step, to be rounded down from beyond an integer, stays just below it.
        """
        size = residual.abs()
        below = size.detach().floor()
        place = self.at("places", log_scale, below + 1) - below
        place = torch.where(below < LARGEST, place, 0.5).clamp(0.5, 0.97)
        part = size - below
        share = torch.where(part < place, part / (2 * place), 0.5 + (part - place) / (2 * (1 - place)))
        return (below + share) * residual.detach().sign()

    def bits(self, symbols: Tensor, log_scale: Tensor) -> Tensor:
        """Bits of symbols by their tables, straight lines between integers; those of the normal distribution beyond.

        The gradient for log-scales is that of the normal distribution.
        """
        size = symbols.abs()
        below = size.detach().floor().clamp_max(LARGEST)
        low, high = (self.at("costs", log_scale, below + more) for more in (0, 1))
        normal = gaussian_bits(symbols.detach(), log_scale)
        beyond = gaussian_bits(symbols, log_scale.detach())
        known = torch.where(size.detach() > LARGEST, beyond, low + (size - below) * (high - low))
        return known + (normal - normal.detach())

    def at(self, name: Literal["places", "costs"], log_scale: Tensor, size: Tensor) -> Tensor:
        """Entries of a table for log-scales and whole magnitudes."""
        values: Tensor = getattr(self, name)
        if values.device != size.device:
            values = values.to(size.device)
            setattr(self, name, values)
        table = ((log_scale.detach() - math.log(SMALLEST_SCALE)) / SPACING).round().nan_to_num(0.0).clamp(0, COUNT - 1)
        return values[(table * (LARGEST + 2) + size.nan_to_num(0.0).clamp_max(LARGEST + 1)).int()]


def bits_of(tables: Sequence[Table]) -> Tensor:
    """Bits [T, LARGEST + 2] of the magnitudes 0, 1, … by each table."""
    return torch.tensor([[cost(table, value) for value in range(LARGEST + 2)] for table in tables])


def encoding_price(share: float, trained: float | None) -> float:
    """Bits per squared step of error that an encoder reckons with.

    Args:
        share: Of the way from the lowest level (0) to the highest (1).
        trained: The price of the network's training; None for rounding to the nearest integer.
    """
    low, high = NEAREST if trained is None else (factor * trained for factor in OWN)
    return math.exp(math.log(low) + share * math.log(high / low))
