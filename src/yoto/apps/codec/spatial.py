"""Latents decoded in four passes: their means, and a quantisation step for each, from a network of floats.

The scales, which alone decide how symbols are written, come from the hyper-decoder. Symbols are whole numbers whatever
means and steps are, so what is here may differ between machines by the noise of its sums: pixels then do, symbols do
not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from yoto.apps.codec.layers import lower_bound
from yoto.apps.codec.likelihoods import LARGEST_SCALE, SMALLEST_SCALE

PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
"""Row and column, in each 2x2 block of latents, of those that a pass decodes. The second pass sees four diagonal
neighbours, the third four direct ones, the last all eight.
"""
SLOPE = 0.125
"""Negative slope of the leaky ReLUs."""
NOISE = 1 / 12
"""Variance of rounding, in squared steps."""
WIDEST = 2.0
"""Quantisation steps lie between this and its inverse."""
START = 0.01
"""Factor on the last layers' first weights."""
Code: TypeAlias = Callable[[int | None, Tensor, Tensor], Tensor]
"""From the number of a pass, its means and its steps [B, M, h/2, w/2] to its latents as decoded. A network without
passes has one, whose number is None, over all latents.
"""


def taken(x: Tensor, number: int | None) -> Tensor:
    """The latents of a pass, [B, C, h/2, w/2] of [B, C, h, w]; all of them for None."""
    if number is None:
        return x
    row, column = PLACES[number]
    return x[:, :, row::2, column::2]


def put(x: Tensor, number: int | None, values: Tensor) -> None:
    """Write values [B, C, h/2, w/2] of a pass to their places in x [B, C, h, w]; inverse of `taken`."""
    taken(x, number).copy_(values)


def placed(x: Tensor, number: int) -> Tensor:
    """A pass's latents [B, C, h/2, w/2] at their places in [B, C, h, w], with zeros at the others."""
    row, column = PLACES[number]
    out = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    out[:, :, row::2, column::2] = x
    return out


class Pass(nn.Module):
    """From decoded neighbours and its own scale to the change of a latent's mean, in standard deviations.

    Args:
        latents: M.
        channels: C of the features.
        number: Of the pass, from 1.
    """

    last: nn.Conv2d

    def __init__(self, latents: int, channels: int, number: int) -> None:
        super().__init__()
        self.place = PLACES[number]
        self.around = nn.Conv2d(channels, channels, 3, 2)
        self.beside = nn.Conv2d(latents, channels, 1)
        self.last = nn.Conv2d(channels, latents, 1)

    def forward(self, known: Tensor, log_scale: Tensor) -> Tensor:
        """[B, M, h/2, w/2] from features of what is decoded [B, C, h, w] and log-scales [B, M, h/2, w/2]."""
        row, column = self.place
        near = self.around(pad(known, (1 - column, column, 1 - row, row)))
        out: Tensor = self.last(leaky_relu(near + self.beside(log_scale), SLOPE))
        return out


class Steps(nn.Module):
    """From the scale of a latent, and of all at its place, to its quantisation step.

    Args:
        latents: M.
        channels: C of the features.
    """

    last: nn.Conv2d

    def __init__(self, latents: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(latents, channels, 1)
        self.last = nn.Conv2d(channels, latents, 1)

    def forward(self, log_scale: Tensor) -> Tensor:
        """[B, M, h, w] to the same shape."""
        out: Tensor = self.last(leaky_relu(self.first(log_scale), SLOPE))
        return (math.log(WIDEST) * out.tanh()).exp()


class SpatialPrior(nn.Module):
    """Decodes the latents of each 2x2 block one after the other, each with what is known around it.

    What a pass is told of a neighbour is its decoded value's difference from the hyper-decoder's mean, weighted as the
    best linear estimate of the unrounded one would be and in its standard deviations: so it looks the same at every λ.

    Args:
        latents: M.
        channels: C of the features.
    """

    def __init__(self, latents: int, channels: int) -> None:
        super().__init__()
        self.steps = Steps(latents, channels)
        self.told = nn.Conv2d(latents, channels, 1)
        self.passes = nn.ModuleList(Pass(latents, channels, number) for number in range(1, len(PLACES)))

    @torch.no_grad()
    def start(self) -> None:
        """Let the means start near those of the hyper-decoder, and the steps near 1."""
        for each in (self.steps, *self.passes):
            assert isinstance(each, (Pass, Steps))
            assert each.last.bias is not None
            each.last.weight.mul_(START)
            each.last.bias.zero_()

    def decoded(self, mean: Tensor, log_scale: Tensor, code: Code) -> Tensor:
        """Latents [B, M, h, w], pass by pass.

        Args:
            mean, log_scale: [B, M, h, w] from the hyper-decoder, h and w even; the scales are in steps.
            code: Called for every pass in turn.
        """
        # Within those of the tables: of what it never saw the hyper-decoder may give any, which the passes add up.
        log_scale = lower_bound(log_scale, math.log(SMALLEST_SCALE)).clamp_max(math.log(LARGEST_SCALE))
        step, scale = self.steps(log_scale), log_scale.exp()
        # What a rounded latent says of the unrounded one, in standard deviations; and these in latents.
        weight, deviation = scale / (scale.square() + NOISE) / step, scale * step
        known: Tensor | None = None
        out = torch.empty_like(mean)
        for number in range(len(PLACES)):
            centre = taken(mean, number)
            refined = centre
            if known is not None:
                change = self.passes[number - 1](known, taken(log_scale, number))
                refined = centre + taken(deviation, number) * change
            values = code(number, refined, taken(step, number))
            put(out, number, values)
            if number + 1 < len(PLACES):
                seen = placed(self.told((values - centre) * taken(weight, number)), number)
                known = seen if known is None else known + seen
        return out

    def forward(
        self, y: Tensor, mean: Tensor, log_scale: Tensor, rounded: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, M, h, w] as they are decoded, their differences from the means in steps, and what these become.

        Args:
            y, mean, log_scale: [B, M, h, w].
            rounded: From differences and log-scales to symbols.
        """
        residual, symbols = torch.empty_like(y), torch.empty_like(y)

        def code(number: int | None, centre: Tensor, step: Tensor) -> Tensor:
            difference = (taken(y, number) - centre) / step
            found = rounded(difference, taken(log_scale, number))
            put(residual, number, difference)
            put(symbols, number, found.detach())
            return centre + step * found

        return self.decoded(mean, log_scale, code), residual, symbols
