"""The encoder and decoder networks of the β-VAE: the two of the paper and a small one for any image size.

One pair of classes serves all three; an `Architecture` says how many blocks, how wide, how initialised. The
networks know nothing of λ. In every block the layer that the paper modulates is called `last`, so that
`PAPER_SITES` selects the paper's FiLM sites; all non-linearities are functions, hence a site's output is
modulated before its non-linearity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_shuffle, pixel_unshuffle

from yoto.apps.vae.likelihood import LIKELIHOODS
from yoto.apps.vae.losses import positive

if TYPE_CHECKING:
    from yoto.apps.vae.options import VAEOptions

#: Regular expression of the layers that the paper conditions: the last convolution of every block.
PAPER_SITES = r"^(encoder|decoder)\.blocks\.\d+\.last$"

#: Standard deviation of a standard normal truncated at ±2, by which the truncation is made up for.
TRUNCATED_STD = 0.87962566103423978


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The measures of a VAE for square images of `size` pixels with `channels` colours.

    `patch`: side of the pixel blocks folded into channels first. `blocks`: channels of each block; `strides`:
    the stride of each block's first convolution (in the decoder, of its last). `convs`: convolutions per
    block. `hidden`: units of the hidden fully connected layer. `outputs`: likelihood parameters per pixel and
    colour (1 or 2). `slope`, `fc_slope`: negative slope of the leaky ReLU after convolutions and hidden fully
    connected layers. `linear_join`: no non-linearity where convolutions and fully connected layers meet.
    `fan`: what the variance of a kernel's initial values is scaled by.
    """

    size: int
    channels: int
    patch: int
    blocks: tuple[int, ...]
    strides: tuple[int, ...]
    convs: int
    hidden: int
    latent: int
    outputs: int
    slope: float = 0.3
    fc_slope: float = 0.2
    linear_join: bool = True
    fan: Literal["fan_in", "fan_avg", "inputs"] = "fan_in"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Side of the feature maps before each block and after the last one."""
        sides = [self.size // self.patch]
        for stride in self.strides:
            sides.append(-(-sides[-1] // stride))
        return tuple(sides)


class VAEOutput(NamedTuple):
    """Likelihood `parameters` [B, outputs*C, H, W], posterior `mean`, `sigma` and drawn `latent` [B, Z]."""

    parameters: Tensor
    mean: Tensor
    sigma: Tensor
    latent: Tensor


class EncoderBlock(nn.Module):
    """3x3 convolutions, the first with the block's stride; leaky ReLU between them, none after the last."""

    def __init__(self, inputs: int, outputs: int, arch: Architecture, stride: int) -> None:
        super().__init__()
        self.slope = arch.slope
        counts = [inputs] + [outputs] * arch.convs
        strides = [stride] + [1] * (arch.convs - 1)
        convs = [nn.Conv2d(counts[i], counts[i + 1], 3, strides[i], 1) for i in range(arch.convs)]
        self.first = nn.ModuleList(convs[:-1])
        self.last = convs[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps [B, inputs, h, w] to [B, outputs, h', w']."""
        for conv in self.first:
            x = leaky_relu(conv(x), self.slope)
        out: Tensor = self.last(x)
        return out


class DecoderBlock(nn.Module):
    """3x3 transposed convolutions, the last with the block's stride: maps of side `before` to `after`."""

    def __init__(self, inputs: int, outputs: int, arch: Architecture, stride: int, before: int, after: int) -> None:
        super().__init__()
        self.slope = arch.slope
        counts = [inputs] + [outputs] * arch.convs
        missing = after - ((before - 1) * stride + 1)
        self.first = nn.ModuleList(nn.ConvTranspose2d(counts[i], counts[i + 1], 3, 1, 1) for i in range(arch.convs - 1))
        self.last = nn.ConvTranspose2d(counts[-2], outputs, 3, stride, 1, output_padding=missing)

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps [B, inputs, h, w] to [B, outputs, h', w']."""
        for conv in self.first:
            x = leaky_relu(conv(x), self.slope)
        out: Tensor = self.last(x)
        return out


class Encoder(nn.Module):
    """Images [B, C, H, W] to the posterior's mean and raw standard deviation, side by side [B, 2Z]."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        counts = [arch.channels * arch.patch**2, *arch.blocks]
        self.blocks = nn.ModuleList(
            EncoderBlock(counts[i], counts[i + 1], arch, stride) for i, stride in enumerate(arch.strides)
        )
        self.hidden = nn.Linear(arch.blocks[-1] * arch.sizes[-1] ** 2, arch.hidden)
        self.head = nn.Linear(arch.hidden, 2 * arch.latent)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] to [B, 2Z]."""
        x = pixel_unshuffle(x, self.arch.patch) if self.arch.patch > 1 else x
        final = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i < final or not self.arch.linear_join:
                x = leaky_relu(x, self.arch.slope)
        out: Tensor = self.head(leaky_relu(self.hidden(x.flatten(1)), self.arch.fc_slope))
        return out


class Decoder(nn.Module):
    """Latents [B, Z] to likelihood parameters [B, outputs*C, H, W]; no squashing at the end."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        sizes = arch.sizes
        self.hidden = nn.Linear(arch.latent, arch.hidden)
        self.head = nn.Linear(arch.hidden, arch.blocks[-1] * sizes[-1] ** 2)
        counts = [*arch.blocks, arch.blocks[-1]]
        self.blocks = nn.ModuleList(
            DecoderBlock(counts[i + 1], counts[i], arch, arch.strides[i], sizes[i + 1], sizes[i])
            for i in reversed(range(len(arch.blocks)))
        )
        self.output = nn.Conv2d(arch.blocks[0], arch.outputs * arch.channels * arch.patch**2, 3, 1, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Latents [B, Z] to [B, outputs*C, H, W]."""
        side = self.arch.sizes[-1]
        x = self.head(leaky_relu(self.hidden(z), self.arch.fc_slope)).unflatten(1, (-1, side, side))
        x = x if self.arch.linear_join else leaky_relu(x, self.arch.slope)
        for block in self.blocks:
            x = leaky_relu(block(x), self.arch.slope)
        x = self.output(x)
        return pixel_shuffle(x, self.arch.patch) if self.arch.patch > 1 else x


class VAE(nn.Module):
    """A variational autoencoder with a diagonal normal posterior; initialised from torch's global generator.

    Strided convolutions pad with zeros on the top and left, where the paper's code pads at the bottom and
    right: the same network, turned by 180 degrees.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        self.encoder = Encoder(arch)
        self.decoder = Decoder(arch)
        initialise(self, arch)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, C, H, W] to the posterior's mean and standard deviation, both [B, Z]."""
        mean, raw = self.encoder(x).chunk(2, dim=1)
        return mean, positive(raw)

    def decode(self, z: Tensor) -> Tensor:
        """Latents [B, Z] to [B, outputs*C, H, W]: Bernoulli logits, or means followed by raw sigmas."""
        out: Tensor = self.decoder(z)
        return out

    def forward(self, x: Tensor, noise: Tensor | None = None) -> VAEOutput:
        """Encode, draw one latent per image, decode.

        `noise` [B, Z] is standard normal; by default from torch's global generator.
        """
        mean, sigma = self.encode(x)
        latent = mean + sigma * (torch.randn_like(mean) if noise is None else noise)
        return VAEOutput(self.decode(latent), mean, sigma, latent)


def initialise(net: VAE, arch: Architecture) -> None:
    """Normal kernels truncated at two standard deviations with variance gain / fan, zero biases.

    The gain is 2 / (1 + slope²) for convolutions and 2 for fully connected layers in the paper's networks,
    and 2 / (1 + fc_slope²) in "conv".
    """
    for module in net.modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            continue
        if isinstance(module, nn.Linear):
            gain = 2.0 if arch.linear_join else 2 / (1 + arch.fc_slope**2)
        else:
            gain = 2 / (1 + arch.slope**2)
        std = math.sqrt(gain / fan_of(module, arch.fan)) / TRUNCATED_STD
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def fan_of(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, mode: str) -> float:
    """The number of connections that a kernel's variance is divided by.

    "inputs" counts the inputs that reach one output, which preserves the variance. "fan_in" and "fan_avg"
    follow the paper's code, whose fan-in of a transposed convolution counts its output channels and ignores
    the stride.
    """
    if isinstance(module, nn.Linear):
        return module.in_features
    area = math.prod(module.kernel_size)
    if mode == "inputs":
        spread = math.prod(module.stride) if isinstance(module, nn.ConvTranspose2d) else 1
        return module.in_channels * area / spread
    rows, columns = module.weight.shape[:2]
    return area * (rows + columns) / 2 if mode == "fan_avg" else area * columns


def architecture(options: VAEOptions) -> Architecture:
    """The measures of the network that `options` ask for.

    "conv" folds 2x2 pixels into channels (from 16 pixels on), then halves the maps block by block down to a
    side of 4, with 8, 16, 32, ... channels (16, 32, 64, ... for colour), a hidden layer of 128 (256) units;
    about 160,000 parameters at 28x28.
    """
    side, channels = options.image
    width = options.width
    outputs = LIKELIHOODS[options.likelihood].outputs
    if options.network == "paper-cifar10":
        return Architecture(
            size=side,
            channels=channels,
            patch=1,
            blocks=(16 * width, 32 * width, 64 * width),
            strides=(2, 2, 2),
            convs=2,
            hidden=512 * width,
            latent=options.latents,
            outputs=outputs,
            fan="fan_avg",
        )
    if options.network == "paper-shapes3d":
        return Architecture(
            size=side,
            channels=channels,
            patch=1,
            blocks=(8 * width, 16 * width, 32 * width, 64 * width),
            strides=(2, 2, 2, 2),
            convs=1,
            hidden=256 * width,
            latent=options.latents,
            outputs=outputs,
        )
    patch = 2 if side >= 16 else 1
    depth = 1 + max(0, math.ceil(math.log2(side / patch / 4)))
    base = (options.channels or (8 if channels == 1 else 16)) * width
    return Architecture(
        size=side,
        channels=channels,
        patch=patch,
        blocks=tuple(base * 2**i for i in range(depth)),
        strides=(1,) + (2,) * (depth - 1),
        convs=1,
        hidden=(128 if channels == 1 else 256) * width,
        latent=options.latents,
        outputs=outputs,
        fc_slope=0.3,
        linear_join=False,
        fan="inputs",
    )
