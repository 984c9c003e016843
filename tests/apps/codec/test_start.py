"""Training starts from a working transform codec."""

import math

import pytest
import torch
from torch.nn.functional import pixel_unshuffle

from yoto import LogUniform, LossSpace, condition
from yoto.apps.codec.metrics import psnr
from yoto.apps.codec.network import MeanScaleHyperprior, make_network
from yoto.apps.codec.options import CompressionOptions
from yoto.apps.codec.start import principal_blocks, start_codec, start_conditional, step_size
from yoto.errors import YotoError


def smooth(count, side=64, seed=0):
    """Pictures with more energy at low frequencies, as photographs have."""
    noise = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic")
    fine = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed + 1))
    return (0.5 + 0.15 * large + 0.01 * fine).clamp(0, 1)


def conditional(network="mean-scale", channels=8, latents=48):
    torch.manual_seed(0)
    net = make_network(CompressionOptions(network=network, channels=channels, latents=latents))
    space = LossSpace(distortion=LogUniform(0.001, 0.2), rate=1.0)
    return condition(net, space, multiplier=0.3, gain="exponential", skip=True, fourier=3)


def test_principal_blocks_are_those_of_the_covariance():
    images = smooth(20)
    basis, deviation = principal_blocks(images, 20)
    assert torch.allclose(basis @ basis.T, torch.eye(20, dtype=torch.float64), atol=1e-10)
    coefficients = pixel_unshuffle(images - 0.5, 16).movedim(1, -1).flatten(0, -2).double() @ basis.T
    assert torch.allclose(coefficients.square().mean(0).sqrt(), deviation, rtol=1e-6)
    assert deviation.tolist() == sorted(deviation.tolist(), reverse=True)


def test_the_step_is_the_rate_distortion_optimum():
    """At high rate a coefficient costs λ·255²·Δ²/12/3 per pixel and colour plane, and -log2 Δ bits."""
    weight = 0.02

    def cost(step):
        return weight * 255**2 * step**2 / 12 / 3 - math.log2(step)

    best = step_size(weight)
    assert cost(best) < min(cost(best * 1.02), cost(best / 1.02))


@pytest.mark.parametrize("weight", [0.002, 0.05])
def test_a_plain_network_starts_as_a_codec(weight):
    images = smooth(24)
    torch.manual_seed(0)
    net = MeanScaleHyperprior(8, 48, 8)
    start_codec(net, images, weight)
    coded = net.eval()(images)
    basis, _ = principal_blocks(images, 48)
    blocks = pixel_unshuffle(images - 0.5, 16).movedim(1, -1).double()
    kept = (blocks @ basis.T @ basis - blocks).square().mean()
    lost = step_size(weight) ** 2 / 12
    assert psnr(coded.image, images).mean() > -10 * math.log10(kept + lost) - 2


@pytest.mark.parametrize("network", ["mean-scale", "spatial"])
def test_a_conditional_network_starts_as_a_codec_at_every_weight(network):
    images, model = smooth(24), conditional(network)
    start_conditional(model, images)
    quality, bits = [], []
    for weight in (0.001, 0.014, 0.2):
        with torch.no_grad():
            coded = model.at(distortion=weight).eval()(images)
        quality.append(float(psnr(coded.image, images).mean()))
        bits.append(float((coded.latent_bits + coded.hyper_bits).mean()))
    assert quality == sorted(quality)
    assert bits == sorted(bits)
    assert quality[0] > 25
    assert bits[2] > 2 * bits[0]


def test_slopes_are_exact():
    model = conditional()
    model.film.set_slope("analysis.gain", scale=0.7)
    low, middle, high = (
        model.modulations(model.space.point(distortion=w))["analysis.gain"].scale for w in (0.001, math.sqrt(2e-4), 0.2)
    )
    assert torch.allclose(middle, torch.ones_like(middle), atol=1e-6)
    assert torch.allclose(high, torch.full_like(high, math.exp(0.7)), rtol=1e-5)
    assert torch.allclose(low, torch.full_like(low, math.exp(-0.7)), rtol=1e-5)


def test_slopes_need_exponential_gains_and_the_skip():
    net = MeanScaleHyperprior(4, 6, 4)
    model = condition(net, LossSpace(distortion=LogUniform(0.001, 0.2), rate=1.0))
    with pytest.raises(YotoError, match="gain='exponential'"):
        model.film.set_slope("analysis.gain", scale=0.7)
    with pytest.raises(YotoError, match=r"analysis\.gian.*Did you mean"):
        conditional().film.set_slope("analysis.gian", scale=0.7)
