"""Latents that are refined for one picture while it is encoded: `effort`. A decoder knows nothing of it.

The analysis network gives every picture latents that are good on the mean; gradient descent on the loss of the picture
itself, λ·distortion + rate, finds better ones (Campos et al., "Content Adaptive Optimization for Neural Image
Compression", 2019). While it lasts, rounding is replaced by a soft one (Agustsson & Theis, "Universally Quantized
Neural Compression", NeurIPS 2020) whose steps lie where the encoder's own rounding has them, and bits are those of the
tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from yoto.apps.codec import latents
from yoto.apps.codec.grid import Box, inner, widened
from yoto.apps.codec.likelihoods import gaussian_bits
from yoto.apps.codec.losses import DISTORTIONS
from yoto.apps.codec.network import STRIDE, MeanScaleHyperprior, ScaleHyperprior
from yoto.apps.codec.spatial import placed, taken

if TYPE_CHECKING:
    from yoto.apps.codec.format.container import Header
    from yoto.apps.codec.model import CodecModel
    from yoto.apps.codec.network import Codec
    from yoto.apps.codec.rounding import Rounding
    from yoto.data.pixels import Pixels

Progress: TypeAlias = Callable[[int, int], None]
Rounded: TypeAlias = Callable[[Tensor], Tensor]


def soft(share: float) -> Rounded:
    """A smooth rise from each integer to the next, which comes nearer to a step as `share` goes from 0 to 1."""
    sharpness = 2.0 * 4.0**share

    def rounded(x: Tensor) -> Tensor:
        below = x.detach().floor()
        return below + 0.5 + torch.tanh(sharpness * (x - below - 0.5)) / (2 * math.tanh(sharpness / 2))

    return rounded


@dataclass(frozen=True)
class Plan:
    """How latents are refined.

    Attributes:
        steps: Of gradient descent for every tile.
        rate: Adam's learning rate at the start, in quantisation steps; it falls to a twentieth by half a cosine.
    """

    steps: int
    rate: float


QUICK = Plan(15, 0.015)
PLANS = {1: (QUICK,), 2: (QUICK, Plan(30, 0.008), Plan(60, 0.004))}
"""By effort; of several the best is taken."""


def hyper_coded(net: Codec, z: Tensor, rounded: Rounded) -> tuple[Tensor, Tensor]:
    """The hyper-latents' bits and their values as decoded, by any kind of rounding."""
    if isinstance(net, MeanScaleHyperprior):
        mean, log_scale = net.prior(z)
        residual = rounded(z - mean)
        return gaussian_bits(residual, log_scale), mean + residual
    assert isinstance(net, ScaleHyperprior)
    values = rounded(z)
    return net.prior.bits(values), values


def coded(net: Codec, y: Tensor, z: Tensor, rounded: Rounded, rounding: Rounding) -> tuple[Tensor, Tensor, Tensor]:
    """Latents and hyper-latents as decoded, by any kind of rounding, and their bits in all.

    Args:
        net: Plain.
        y: [1, M, h, w].
        z: [1, K, h/4, w/4].
        rounded: From differences from the mean, in steps, to what stands for the nearest integer.
        rounding: How an encoder chooses symbols, and what they cost.
    """
    hyper_bits, hyper = hyper_coded(net, z, rounded)
    mean, log_scale = net.latent_prior(net.hyper_synthesis(hyper))
    symbols = torch.zeros_like(y)

    def code(number: int | None, centre: Tensor, step: Tensor) -> Tensor:
        nonlocal symbols
        found = rounded(rounding.moved((taken(y, number) - centre) / step, taken(log_scale, number)))
        symbols = found if number is None else symbols + placed(found, number)
        return centre + step * found

    decoded = net.decoded(mean, log_scale, code)
    return decoded, hyper, rounding.bits(symbols, log_scale).sum() + hyper_bits.sum()


@dataclass
class Refinement:
    """Takes the place of `latents.analysed`.

    Attributes:
        model: The codec.
        header: Of the picture, with its level.
        plan: How.
        progress: Called with the steps that are done and that there are in all.
    """

    model: CodecModel
    header: Header
    plan: Plan
    progress: Progress | None = None
    done: int = 0

    def __call__(self, net: Codec, pixels: Pixels, box: Box, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Latents [M, h, w] and hyper-latents [K, h/4, w/4] of a tile, at the middle of what they are rounded to."""
        outer = widened(box, latents.CONTEXT // STRIDE, rows, columns)
        top, bottom, left, right = (side * STRIDE for side in outer)
        image = latents.image_part(pixels, top, bottom, left, right)
        y = net.analysis(image)
        z = net.hyper_analysis(y)
        inside = image[:, :, : self.header.height - top, : self.header.width - left]
        y, z = self.refined(net, inside, y, z)
        parts = (inner(box, outer, latents.RATIO), inner(box, outer))
        return y[(0, slice(None), *parts[0])].clone(), z[(0, slice(None), *parts[1])].clone()

    def refined(self, net: Codec, image: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Better latents and hyper-latents for a picture, as decoded.

        Args:
            net: Plain, not in training.
            image: [1, 3, H, W] in [0, 1]; what lies beyond it in the latents' grid has no distortion.
            y, z: Where to start, [1, M, h, w] and [1, K, h/4, w/4].
        """
        with torch.inference_mode(False), torch.enable_grad():
            image, y, z = image.clone(), nn.Parameter(y.clone()), nn.Parameter(z.clone())
            optimiser, rounding = torch.optim.Adam((y, z), lr=self.plan.rate), self.model.rounding(self.header.level)
            for step in range(self.plan.steps):
                share = step / max(1, self.plan.steps - 1)
                for group in optimiser.param_groups:
                    group["lr"] = self.plan.rate * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)
                loss = self.loss(net, image, y, z, soft(share), rounding)
                y.grad, z.grad = torch.autograd.grad(loss, (y, z))
                optimiser.step()
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done, self.plan.steps * sum(1 for _ in self.header.tiles()))
            with torch.no_grad():
                latent, hyper, _ = coded(net, y, z, torch.round, rounding)
        return latent, hyper

    def loss(self, net: Codec, image: Tensor, y: Tensor, z: Tensor, rounded: Rounded, rounding: Rounding) -> Tensor:
        """λ·distortion + rate of one picture [1, 3, H, W], the task's loss."""
        decoded, _, bits = coded(net, y, z, rounded, rounding)
        height, width = image.shape[-2:]
        shown = net.synthesis(decoded)[:, :, :height, :width]
        distortion = DISTORTIONS[self.model.distortion](shown, image).sum()
        return self.model.weights[self.header.level] * distortion + bits / (height * width)
