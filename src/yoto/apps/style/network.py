"""The image-transform network: a photograph in, a stylised one out. It knows nothing of loss weights or styles.

After Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style Transfer", ECCV 2016, with instance norm
(Ulyanov, Vedaldi & Lempitsky, 2016), resize-convolutions (Odena, Dumoulin & Olah, 2016), low-pass filters before each
reduction (Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019) and a learned mix with the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional

SHARPNESS = 4.0
"""Factor on the logit of the photograph's share, which has to come near 0 and 1 within a few hundred steps."""
GRAIN = 0.01
"""Deviation of the noise on what is painted from, in training: a painting should not hang on the camera's grain, nor
flicker. The photograph that is mixed in stays as it is, or the loss would tell the network not to mix it in."""

Normaliser: TypeAlias = "Callable[[Tensor], tuple[Tensor, Tensor]] | None"
"""From the activations in front of a norm, [N, C, H, W], the mean and variance [C] that it is to use."""


def reflected(x: Tensor, margin: int) -> Tensor:
    """Images with `margin` pixels of their reflection on every side."""
    return functional.pad(x, (margin,) * 4, mode="reflect")


def enlarged(x: Tensor) -> Tensor:
    """Twice as high and wide, by repetition."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Norm(nn.InstanceNorm2d):
    """Instance norm that can be told the statistics to use."""

    def forward(self, input: Tensor, statistics: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """[N, C, H, W], normalised by each image's statistics per channel, or by the given mean and variance [C]."""
        if statistics is None:
            return super().forward(input)
        mean, variance = statistics
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return input * scale[:, None, None] + shift[:, None, None]


class Shrink(nn.Module):
    """Binomial low-pass filter and every second sample, per channel: [B, C, H, W] to [B, C, H/2, W/2]."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", (taps[:, None] * taps).expand(channels, 1, 4, 4).clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The smaller image; edges are reflected."""
        return functional.conv2d(reflected(x, 1), self.kernel.to(x.dtype), stride=2, groups=x.shape[1])


class Unit(nn.Module):
    """Reflection padding, convolution, instance norm and (by choice) ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False)
        self.norm = Norm(outputs, eps=1e-3, affine=True)  # flat pictures would multiply gradients at each of 20
        self.relu = relu
        self.margin = kernel // 2

    def forward(self, x: Tensor, normaliser: Normaliser = None) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H, W]."""
        x = self.conv(reflected(x, self.margin))
        x = self.norm(x) if normaliser is None else self.norm(x, normaliser(x))
        return functional.relu(x) if self.relu else x


class Residual(nn.Module):
    """Two units with a sum around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Unit(channels, channels)
        self.second = Unit(channels, channels, relu=False)

    def forward(self, x: Tensor, normaliser: Normaliser = None) -> Tensor:
        """[B, C, H, W], the same shape."""
        return x + cast(Tensor, self.second(self.first(x, normaliser), normaliser))


@final
class Stage(nn.Module):
    """Half of the resolution around it: reduce, inner stages, residual blocks, enlarge; added to the input.

    Args:
        outer: Channels of the stage around it.
        channels: Channels here and, in order, further inside.
        blocks: Residual blocks here and further inside.
    """

    def __init__(self, outer: int, channels: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        width = channels[0]
        self.shrink = Shrink(outer)
        self.enter = Unit(outer, width)
        self.inner = Stage(width, channels[1:], blocks[1:]) if len(channels) > 1 else None
        self.body = nn.ModuleList(Residual(width) for _ in range(blocks[0]))
        self.leave = Unit(width, outer, relu=False)

    def forward(self, x: Tensor, normaliser: Normaliser = None) -> Tensor:
        """[B, outer, H, W], H and W even; the same shape."""
        y = self.enter(self.shrink(x), normaliser)
        if self.inner is not None:
            y = self.inner(y, normaliser)
        for block in self.body:
            y = block(y, normaliser)
        return x + cast(Tensor, self.leave(enlarged(y), normaliser))


@final
class TransformNetwork(nn.Module):
    """Photograph [B, 3, H, W] in [0, 1] to stylised image of the same shape and range, any H, W ≥ 16.

    Args:
        channels: Widths at half the resolution, a quarter and so on; at least two.
        blocks: Residual blocks at a quarter of the resolution and so on.
        last: Width at full resolution.
    """

    def __init__(self, channels: Sequence[int] = (24, 48, 96), blocks: Sequence[int] = (1, 4), last: int = 8) -> None:
        super().__init__()
        half = channels[0]
        self.stride = 2 ** len(channels)
        self.shrink = Shrink(3)
        self.enter = Unit(3, half, 5)
        self.inner = Stage(half, channels[1:], blocks)
        self.detail = nn.Conv2d(half, last, 3)
        self.out = nn.Conv2d(last, 3, 3)
        self.share = nn.Linear(1, 1)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def forward(self, image: Tensor, normaliser: Normaliser = None) -> Tensor:
        """The stylised image: a mix of what the network paints with the photograph, whose share is one number."""
        height, width = image.shape[-2:]
        x = functional.pad(image, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        seen = x + GRAIN * torch.randn_like(x) if self.training else x
        y = self.inner(self.enter(self.shrink(seen - 0.5), normaliser), normaliser)
        y = functional.relu(self.detail(reflected(enlarged(y), 1)))
        painted = torch.sigmoid(self.out(reflected(y, 1)).float())
        share = torch.sigmoid(SHARPNESS * self.share(image.new_ones(image.shape[0], 1)).float())[:, :, None, None]
        return (painted + share * (x - painted))[:, :, :height, :width]

    def shared(
        self, images: Tensor, statistics: Tensor | None = None, given: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Stylised images, all normalised alike, so that they may be parts of one picture.

        Args:
            images: [N, 3, H, W]; H and W are multiples of `stride` where the parts are to fit together.
            statistics: [2, norms' channels], mean and variance at every norm in the order of the forward pass.
                None: those of the images taken together.
            given: A number, 1 to use `statistics` and 0 not to, where that is to be decided by a tensor.

        Returns:
            The stylised images and the statistics that were used.
        """
        used: list[Tensor] = []
        start = 0

        def normaliser(x: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal start
            stop = start + x.shape[1]
            if statistics is None or given is not None:
                mean = x.mean(dim=(0, 2, 3))
                pair = torch.stack([mean, (x * x).mean(dim=(0, 2, 3)) - mean * mean])
                if statistics is not None and given is not None:
                    pair = pair + given * (statistics[:, start:stop] - pair)
            else:
                pair = statistics[:, start:stop]
            used.append(pair)
            start = stop
            return pair[0], pair[1].clamp_min(0.0)

        return self(images, normaliser), torch.cat(used, dim=1)
