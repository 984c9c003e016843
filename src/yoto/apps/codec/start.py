"""Where training of the mean-scale network starts: at a working transform codec.

The block transform gets the Karhunen-Loève basis of the training blocks and its transpose, the quantisation steps
their rate-distortion optimum at every λ, the scales the standard deviations that follow; the convolutions start
near zero beside it. A random start spends thousands of steps on getting there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from yoto.apps.codec.network import BLOCK, MeanScaleHyperprior
from yoto.conditioning.film import ConditioningNetwork
from yoto.data.pixels import LEVELS

if TYPE_CHECKING:
    from yoto.conditioning import Conditional

GAIN_EXPONENT = 0.45
"""Quantisation steps shrink as λ to this power; 0.5 is the optimum at high rate, less is better below."""
BRANCH = 0.01
"""Factor on the last layer of each convolutional branch, in quantisation steps."""


def principal_blocks(images: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` leading principal directions [count, 768] of 16x16 blocks, and their standard deviations.

    Args:
        images: [B, 3, H, W] in [0, 1].
        count: At most 768.
    """
    blocks = pixel_unshuffle(images - 0.5, BLOCK).movedim(1, -1).flatten(0, -2).double()
    values, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
    order = values.argsort(descending=True)[:count]
    return vectors[:, order].T, values[order].clamp_min(1e-12).sqrt()


def kernel(layer: nn.Module) -> Tensor:
    """A layer's weight."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def step_size(distortion_weight: float) -> float:
    """The quantisation step, in [0, 1] image units, that is optimal at high rate.

    A step Δ of an orthonormal coefficient costs Δ²/12 in distortion and -log2 Δ in bits. With λ on the mean squared
    error of 8-bit levels over 3 colours and the rate in bits per pixel, Δ² = 12·3 / (2·ln 2·λ) in squared levels.
    """
    return math.sqrt(36.0 / (2 * math.log(2) * distortion_weight)) / LEVELS


@torch.no_grad()
def start_codec(net: MeanScaleHyperprior, images: Tensor, distortion_weight: float) -> None:
    """Set a plain network to a transform codec for one λ.

    Args:
        net: Changed in place.
        images: Training crops [B, 3, H, W] in [0, 1].
        distortion_weight: λ.
    """
    latents = net.analysis.blocks.out_channels
    basis, deviation = principal_blocks(images, latents)
    basis, deviation = basis.float(), deviation.float()
    step = step_size(distortion_weight)
    net.analysis.blocks.weight.copy_(basis[:, :, None, None])
    net.synthesis.blocks.weight.copy_(basis.T[:, :, None, None])
    net.analysis.gain.weight.fill_(1 / step)
    net.synthesis.gain.weight.fill_(step)
    # The inner layers see values of about 1; the branches add little at first.
    kernel(net.analysis.convs[0]).mul_(4.0)
    kernel(net.analysis.convs[-1]).mul_(BRANCH * step)
    kernel(net.synthesis.convs[0]).mul_(1 / (deviation.mean() + step))
    kernel(net.synthesis.convs[-1]).mul_(BRANCH * step / 10)  # the inverse GDNs amplify
    net.hyper_analysis.first.weight.mul_(step / (deviation.mean() + step))
    net.hyper_synthesis.third.weight.mul_(10 * BRANCH)
    scales = net.hyper_synthesis.third.bias
    assert scales is not None
    scales[latents:] = (deviation / step).log().clamp_min(math.log(0.15))


@torch.no_grad()
def start_conditional(model: Conditional[MeanScaleHyperprior], images: Tensor, unit: float = 1.0) -> None:
    """`start_codec` at the median λ, and quantisation steps and scales that follow λ along its range.

    Needs exponential gains and the conditioning vector beside the trunk's features (`gain: exponential`,
    `skip: true`).

    Args:
        model: Changed in place.
        images: Training crops [B, 3, H, W] in [0, 1].
        unit: What a distortion weight of the space is worth as one on the mean squared error.
    """
    net, film = model.plain, model.film
    assert isinstance(film, ConditioningNetwork)
    space = model.space
    column = space.index("distortion")
    low, high = (float(p[column]) for p in space.grid(2))
    start_codec(net, images, math.sqrt(low * high) * unit)
    slope = GAIN_EXPONENT * math.log(high / low) / 2
    latents = net.analysis.blocks.out_channels
    film.set_slope("analysis.gain", scale=slope)
    film.set_slope("synthesis.gain", scale=-slope)
    for site in ("analysis.blocks", "analysis.convs.2", "synthesis.blocks", "synthesis.convs.2"):
        film.set_slope(site)
    # The hyperprior sees latents of one magnitude, and its means and scales get that of λ back.
    film.set_slope("hyper_analysis.first", scale=-slope)
    means, scales = torch.zeros(2, 2 * latents)
    means[:latents], scales[latents:] = slope, slope
    film.set_slope("hyper_synthesis.third", scale=means, shift=scales)
