"""Hyperprior networks for image compression. They know nothing of λ.

Every network has the same four parts, so that one codec serves them: `analysis` and `synthesis` between image and
latent, `hyper_analysis` and `hyper_synthesis` between latent and the parameters of its distribution.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from yoto.apps.codec.hyper import HyperAnalysis, HyperSynthesis, NormalPrior
from yoto.apps.codec.layers import GDN, Haar, conv, deconv, round_through, through
from yoto.apps.codec.likelihoods import FactorisedPrior, gaussian_bits
from yoto.apps.codec.rounding import Rounding
from yoto.apps.codec.spatial import Code, SpatialPrior
from yoto.support.precision import wide

if TYPE_CHECKING:
    from yoto.apps.codec.options import CompressionOptions

BLOCK = 16
"""Pixels per latent, along each side."""
STRIDE = 64
"""Pixels per hyper-latent, along each side: images are padded to multiples of it."""
PATCH = 4
"""Side of the pixel blocks that are folded into channels before the first convolution."""
CONTEXT = 96
"""Features of decoded neighbours from which the spatial prior refines means; fewer where latents are few."""


class Coded(NamedTuple):
    """What a codec makes of images.

    `image` [B, 3, H, W] in [0, 1]; `latent_bits` and `hyper_bits` [B], estimated bits of each image.
    """

    image: Tensor
    latent_bits: Tensor
    hyper_bits: Tensor


def initialise(root: nn.Module) -> None:
    """Normal kernels that keep the variance of a layer's inputs, zero biases.

    A transposed convolution of stride 2 has a quarter of its kernel behind each output; the initial values that take
    no account of it shrink the signal 3.5 times per layer.
    """
    for module in root.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            area = math.prod(module.kernel_size)
            spread = math.prod(module.stride) if isinstance(module, nn.ConvTranspose2d) else 1
            fan = module.in_channels // module.groups * area / spread
            nn.init.normal_(module.weight, std=fan**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def pad_to(images: Tensor, multiple: int = STRIDE) -> Tensor:
    """Images [B, C, H, W] with right and lower edge repeated up to multiples of `multiple`."""
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return images
    return nn.functional.pad(images, (0, right, 0, below), mode="replicate")


class Gain(nn.Conv2d):
    """A factor per channel, the quantisation steps: a depthwise 1x1 convolution, computed as the product it is."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return x * self.weight.view(1, -1, 1, 1)


class Analysis(nn.Module):
    """Images [B, 3, H, W] to latents [B, M, H/16, W/16].

    Blocks of 4x4 pixels, a 3x3 convolution and two 5x5 ones of stride 2, with GDN between: as many multiplications as
    the published four convolutions of stride 2, in a third of the time, most of which their first map takes. Beside
    them, a linear transform of 16x16 blocks, which is where training starts from (`start.py`). With `haar` the 4x4
    blocks are Haar coefficients.
    """

    gain: Gain
    blocks: nn.Conv2d

    def __init__(self, channels: int, latents: int, *, haar: bool = False) -> None:
        super().__init__()
        inner = middle(channels)
        self.convs = nn.ModuleList(
            (conv(3 * PATCH**2, channels, 3), conv(channels, inner, 5, 2), conv(inner, latents, 5, 2))
        )
        self.norms = nn.ModuleList((GDN(channels), GDN(inner)))
        self.haar = Haar() if haar else None
        self.blocks = nn.Conv2d(3 * BLOCK**2, latents, 1)
        self.gain = Gain(latents)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1] to latents in quantisation steps."""
        x = x - 0.5
        y = pixel_unshuffle(x, PATCH)
        if self.haar is not None:
            y = self.haar(y)
        for i, layer in enumerate(self.convs):
            y = layer(y)
            if i < len(self.norms):
                y = self.norms[i](y)
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.gain(wide(y) + self.blocks(pixel_unshuffle(wide(x), BLOCK)))
        return out


class Synthesis(nn.Module):
    """Latents [B, M, h, w] to images [B, 3, 16h, 16w]: the mirror of `Analysis`."""

    gain: Gain
    blocks: nn.Conv2d

    def __init__(self, channels: int, latents: int, *, haar: bool = False) -> None:
        super().__init__()
        inner = middle(channels)
        self.gain = Gain(latents)
        self.convs = nn.ModuleList((deconv(latents, inner), deconv(inner, channels), conv(channels, 3 * PATCH**2, 3)))
        self.norms = nn.ModuleList((GDN(inner, inverse=True), GDN(channels, inverse=True)))
        self.haar = Haar() if haar else None
        self.blocks = nn.Conv2d(latents, 3 * BLOCK**2, 1)

    def forward(self, y: Tensor) -> Tensor:
        """Latents in quantisation steps to images in about [0, 1]."""
        with torch.autocast(y.device.type, enabled=False):
            y = self.gain(wide(y))
            linear = pixel_shuffle(self.blocks(y), BLOCK)
        for i, layer in enumerate(self.convs):
            y = layer(y)
            if i < len(self.norms):
                y = self.norms[i](y)
        if self.haar is not None:
            y = self.haar.inverse(y)
        return pixel_shuffle(wide(y), PATCH) + linear + 0.5


def middle(channels: int) -> int:
    """Channels of the maps at an eighth of the size."""
    return 3 * channels // 2


class Codec(nn.Module):
    """What both networks share: the passage from images through rounded latents and back, with its bits.

    In training mode rounding is replaced by uniform noise where bits are estimated, and keeps its value with the
    gradient of the identity where the image is decoded (Minnen & Singh, "Channel-wise Autoregressive Entropy Models
    for Learned Image Compression", ICIP 2020).

    Attributes:
        rounding: By which latents are rounded; None: to the nearest integer. Hyper-latents always are so.
    """

    rounding: Rounding | None = None
    analysis: nn.Module
    synthesis: nn.Module
    hyper_analysis: nn.Module
    hyper_synthesis: HyperSynthesis

    @property
    def looks_around(self) -> bool:
        """Whether a latent's mean depends on decoded neighbours."""
        return False

    def hyper_prior(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The hyper-latents' bits [B, K, h, w] and their rounded values."""
        raise NotImplementedError

    def latent_prior(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """The latents' mean and log-scale [B, M, h, w] from the hyper-decoder's output."""
        raise NotImplementedError

    def decoded(self, mean: Tensor, log_scale: Tensor, code: Code) -> Tensor:
        """Latents [B, M, h, w] as they are decoded, by encoder and decoder alike.

        Args:
            mean, log_scale: [B, M, h, w] from the hyper-decoder.
            code: Where symbols are made or come from.
        """
        del log_scale
        return code(None, mean, mean.new_ones(()))

    def rounded(self, residual: Tensor, log_scale: Tensor) -> Tensor:
        """Symbols of differences from the mean in steps, with the gradient of the identity."""
        if self.rounding is None:
            return round_through(residual)
        return through(residual, self.rounding(residual.detach(), log_scale.detach()))

    def quantised(self, y: Tensor, mean: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, M, h, w] as they are decoded, their differences from the mean in steps, and these rounded."""
        residual = y - mean
        symbols = self.rounded(residual, log_scale)
        return mean + symbols, residual, symbols.detach()

    def forward(self, x: Tensor) -> Coded:
        """Code images [B, 3, H, W] in [0, 1], H and W multiples of 64."""
        y = self.analysis(x)
        with torch.autocast(x.device.type, enabled=False):
            hyper_bits, z = self.hyper_prior(self.hyper_analysis(y))
            mean, log_scale = self.latent_prior(self.hyper_synthesis(z))
            decoded, residual, symbols = self.quantised(y, mean, log_scale)
            bits = gaussian_bits(residual + torch.rand_like(y) - 0.5 if self.training else symbols, log_scale)
        return Coded(self.synthesis(decoded), bits.flatten(1).sum(1), hyper_bits.flatten(1).sum(1))


class MeanScaleHyperprior(Codec):
    """Mean and scale hyperprior with a normal prior of the hyper-latents and a linear block transform.

    Minnen et al., "Joint Autoregressive and Hierarchical Priors for Learned Image Compression", NeurIPS 2018, without
    the autoregressive part.

    Args:
        channels: N.
        latents: M.
        hyper: K.
        spatial: Whether means are refined from decoded neighbours in four passes; then the transforms start from Haar
            coefficients, and the hyperprior's layers that touch the latents are 1x1.
    """

    analysis: Analysis
    synthesis: Synthesis
    hyper_analysis: HyperAnalysis
    prior: NormalPrior

    def __init__(self, channels: int, latents: int, hyper: int, *, spatial: bool = False) -> None:
        super().__init__()
        kernel = 1 if spatial else 3
        self.analysis = Analysis(channels, latents, haar=spatial)
        self.synthesis = Synthesis(channels, latents, haar=spatial)
        self.hyper_analysis = HyperAnalysis(latents, channels, hyper, kernel=kernel)
        self.hyper_synthesis = HyperSynthesis(hyper, channels, 2 * latents, kernel=kernel)
        self.prior = NormalPrior(hyper)
        self.spatial = SpatialPrior(latents, min(CONTEXT, 2 * latents)) if spatial else None
        initialise(self)
        with torch.no_grad():
            self.analysis.gain.weight.fill_(1.0)
            self.synthesis.gain.weight.fill_(1.0)
        if self.spatial is not None:
            self.spatial.start()

    @property
    def looks_around(self) -> bool:
        """See `Codec`."""
        return self.spatial is not None

    def hyper_prior(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See `Codec`; coded is the difference from the mean."""
        mean, log_scale = self.prior(z)
        residual = z - mean
        noisy = residual + torch.rand_like(z) - 0.5 if self.training else residual.round()
        return gaussian_bits(noisy, log_scale), mean + round_through(residual)

    def decoded(self, mean: Tensor, log_scale: Tensor, code: Code) -> Tensor:
        """See `Codec`."""
        if self.spatial is None:
            return super().decoded(mean, log_scale, code)
        return self.spatial.decoded(mean, log_scale, code)

    def quantised(self, y: Tensor, mean: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `Codec`."""
        if self.spatial is None:
            return super().quantised(y, mean, log_scale)
        out: tuple[Tensor, Tensor, Tensor] = self.spatial(y, mean, log_scale, self.rounded)
        return out

    def latent_prior(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """See `Codec`."""
        mean, log_scale = parameters.chunk(2, dim=1)
        return mean, log_scale


class ConvTransform(nn.Module):
    """The published transforms: four 5x5 convolutions of stride 2 with GDN between, or their mirror."""

    def __init__(self, sizes: tuple[int, int, int, int, int], *, up: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(deconv(i, o) if up else conv(i, o, 5, 2) for i, o in pairwise(sizes))
        self.norms = nn.ModuleList(GDN(size, inverse=up) for size in sizes[1:-1])

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to a sixteenth or sixteen times the size."""
        for i, layer in enumerate(self.convs):
            x = layer(x)
            if i < len(self.norms):
                x = self.norms[i](x)
        return wide(x)


class ScaleHyperprior(Codec):
    """Scale hyperprior with a factorised prior (Ballé et al., ICLR 2018).

    Args:
        channels: N, also of the hyper-latent.
        latents: M.
    """

    prior: FactorisedPrior

    def __init__(self, channels: int, latents: int) -> None:
        super().__init__()
        self.analysis = ConvTransform((3, channels, channels, channels, latents), up=False)
        self.synthesis = ConvTransform((latents, channels, channels, channels, 3), up=True)
        self.hyper_analysis = HyperAnalysis(latents, channels, channels, magnitude=True)
        self.hyper_synthesis = HyperSynthesis(channels, channels, latents, slope=0.0)
        initialise(self)
        self.prior = FactorisedPrior(channels)

    def hyper_prior(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See `Codec`."""
        noisy = z + torch.rand_like(z) - 0.5 if self.training else z.round()
        return self.prior.bits(noisy), round_through(z)

    def latent_prior(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """See `Codec`; the mean is zero."""
        return torch.zeros_like(parameters), parameters


def make_network(options: CompressionOptions) -> Codec:
    """The network that `options` ask for, initialised from torch's global generator."""
    net: Codec
    if options.network == "scale":
        net = ScaleHyperprior(options.channels, options.latents)
    else:
        spatial = options.network == "spatial"
        net = MeanScaleHyperprior(options.channels, options.latents, options.hyper_channels, spatial=spatial)
    if options.rounding is not None:
        net.rounding = Rounding.normal(options.rounding)
    return net
