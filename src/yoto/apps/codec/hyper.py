"""The hyperprior's own networks: between latents and the parameters of their distribution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from yoto.apps.codec.layers import conv, deconv

SLOPE = 0.125
"""Negative slope of the hyper-decoder's leaky ReLU: a shift by 3 in integers."""


class HyperAnalysis(nn.Module):
    """Latents [B, M, h, w] to hyper-latents [B, K, h/4, w/4]."""

    first: nn.Conv2d

    def __init__(self, latents: int, channels: int, hyper: int, *, magnitude: bool = False, kernel: int = 3) -> None:
        super().__init__()
        self.magnitude = magnitude
        self.first = conv(latents, channels, kernel)
        self.second = conv(channels, channels, 5, 2)
        self.third = conv(channels, hyper, 5, 2)

    def forward(self, y: Tensor) -> Tensor:
        """The magnitudes alone with `magnitude`, as published for the scale hyperprior."""
        y = self.first(y.abs() if self.magnitude else y)
        activation = relu if self.magnitude else leaky_relu
        out: Tensor = self.third(activation(self.second(activation(y))))
        return out


class HyperSynthesis(nn.Module):
    """Hyper-latents [B, K, h/4, w/4] to `outputs` parameters per latent [B, outputs, h, w].

    Made of what integers can do: convolutions and a leaky ReLU whose slope is a power of two (0 as published).
    """

    first: nn.ConvTranspose2d
    second: nn.ConvTranspose2d
    third: nn.Conv2d

    def __init__(self, hyper: int, channels: int, outputs: int, *, slope: float = SLOPE, kernel: int = 3) -> None:
        super().__init__()
        self.slope = slope
        self.first = deconv(hyper, channels)
        self.second = deconv(channels, channels)
        self.third = conv(channels, outputs, kernel)

    @property
    def layers(self) -> tuple[nn.Conv2d | nn.ConvTranspose2d, ...]:
        """The convolutions in order; a leaky ReLU follows all but the last."""
        return self.first, self.second, self.third

    def forward(self, z: Tensor) -> Tensor:
        """Parameters of the latents' distribution."""
        z = leaky_relu(self.first(z), self.slope)
        z = leaky_relu(self.second(z), self.slope)
        out: Tensor = self.third(z)
        return out


class NormalPrior(nn.Module):
    """Mean and log-scale of each channel's normal distribution: a layer on the constant 1, so that λ can move it."""

    table: nn.Linear

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Linear(1, 2 * channels)
        nn.init.zeros_(self.table.weight)
        nn.init.zeros_(self.table.bias)

    def forward(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-scale [B, K, 1, 1] for hyper-latents [B, K, h, w]."""
        mean, log_scale = self.table(like.new_ones(len(like), 1))[:, :, None, None].chunk(2, dim=1)
        return mean, log_scale
