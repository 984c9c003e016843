"""The networks: counts and names of the paper's, shapes, initial values, gradients, export."""

from __future__ import annotations

import math
import re

import pytest
import torch

from yoto.apps.vae.network import PAPER_SITES, VAE, architecture
from yoto.apps.vae.options import VAEOptions

CIFAR = {"dataset": "cifar10", "network": "paper-cifar10", "likelihood": "gaussian"}
SHAPES = {"dataset": "shapes3d", "network": "paper-shapes3d"}
SMALL = [
    {"dataset": "digits"},
    {"dataset": "fashion-mnist"},
    {"dataset": "folder", "likelihood": "gaussian"},
    {"dataset": "folder", "size": 50, "channels": 4, "latent": 3},
    {"dataset": "shapes", "channels": 4},
]


def built(options: dict, seed: int = 0) -> VAE:
    torch.manual_seed(seed)
    return VAE(architecture(VAEOptions(**options)))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("options", "encoder", "decoder"), [(CIFAR, 859_536, 766_278), (SHAPES, 292_068, 327_379)])
def test_the_papers_networks_have_its_parameters(options, encoder, decoder):
    net = built(options)
    assert (count(net.encoder), count(net.decoder)) == (encoder, decoder)


def test_the_small_network_is_small():
    assert count(built({})) == 159_444


@pytest.mark.parametrize("options", [CIFAR, SHAPES, *SMALL])
def test_shapes(options):
    net, chosen = built(options), VAEOptions(**options)
    side, channels = chosen.image
    parameters = channels * (2 if chosen.likelihood == "gaussian" else 1)
    out = net(torch.rand(2, channels, side, side))
    assert out.parameters.shape == (2, parameters, side, side)
    assert out.mean.shape == out.sigma.shape == out.latent.shape == (2, chosen.latents)
    assert (out.sigma > 0).all()


@pytest.mark.parametrize(("options", "blocks"), [(CIFAR, 3), (SHAPES, 4), ({}, 3)])
def test_paper_sites_are_the_last_layer_of_every_block(options, blocks):
    net = built(options)
    sites = {n: m for n, m in net.named_modules() if re.search(PAPER_SITES, n)}
    assert len(sites) == 2 * blocks
    assert all(isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)) for m in sites.values())
    decoder = [m for n, m in sites.items() if n.startswith("decoder")]
    assert all(m.stride == (2, 2) for m in decoder[: blocks - 1])


def test_film_on_the_papers_sites_has_the_papers_parameters():
    """Two networks 2 → hidden → C per site, as counted from the paper's code."""
    for options, hidden, expected in ((CIFAR, 512, 248_256), (SHAPES, 256, 135_648)):
        net = built(options)
        widths = [m.out_channels for n, m in net.named_modules() if re.search(PAPER_SITES, n)]
        assert sum(2 * (3 * hidden + (hidden + 1) * c) for c in widths) == expected


@pytest.mark.parametrize("options", [CIFAR, SHAPES, {}])
@pytest.mark.parametrize("width", [2, 4])
def test_width_scales_channels_and_hidden_units_but_not_the_latent(options, width):
    with torch.device("meta"):
        one, wide = (VAE(architecture(VAEOptions(**options, width=w))) for w in (1, width))
    assert wide.arch.blocks == tuple(width * c for c in one.arch.blocks)
    assert wide.arch.hidden == width * one.arch.hidden
    assert wide.arch.latent == one.arch.latent


def test_initial_values_follow_the_papers_variance_scaling():
    for options, mode in ((CIFAR, "fan_avg"), (SHAPES, "fan_in")):
        net = built(options)
        conv = net.encoder.blocks[2].last
        fan = 9 * conv.in_channels if mode == "fan_in" else 9 * (conv.in_channels + conv.out_channels) / 2
        std = math.sqrt(2 / (1 + 0.3**2) / fan)
        assert conv.weight.std().item() == pytest.approx(std, rel=0.03)
        assert conv.weight.abs().max().item() <= 2 * std / 0.8796 + 1e-6
        assert net.encoder.hidden.weight.std().item() == pytest.approx(math.sqrt(2 / 1024), rel=0.02)
        assert all((p == 0).all() for n, p in net.named_parameters() if n.endswith("bias"))


@pytest.mark.parametrize("options", SMALL)
def test_the_small_network_starts_with_outputs_of_ordinary_size(options):
    net, (side, channels) = built(options), VAEOptions(**options).image
    out = net(torch.rand(16, channels, side, side))
    assert 0.1 < out.parameters.std().item() < 3
    assert 0.05 < out.mean.std().item() < 3


def test_initialisation_follows_torchs_seed():
    a, b, c = built({}, 0), built({}, 0), built({}, 1)
    same = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(a.encoder.hidden.weight, c.encoder.hidden.weight)


def test_noise_is_given_or_torchs_own():
    net, x = built({}), torch.rand(3, 1, 28, 28)
    torch.manual_seed(5)
    drawn = net(x)
    torch.manual_seed(5)
    given = net(x, torch.randn(3, 16))
    torch.testing.assert_close(drawn.parameters, given.parameters)
    still = net(x, torch.zeros(3, 16))
    torch.testing.assert_close(still.latent, still.mean)
    torch.testing.assert_close(still.parameters, net.decode(net.encode(x)[0]))


@pytest.mark.parametrize("options", [CIFAR, SHAPES, {}, {"dataset": "digits"}])
def test_every_parameter_gets_a_gradient(options):
    net, (side, channels) = built(options), VAEOptions(**options).image
    out = net(torch.rand(2, channels, side, side))
    (out.parameters.square().sum() + out.sigma.sum()).backward()
    missing = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


def test_samples_do_not_depend_on_their_batch():
    net, x = built({}), torch.rand(4, 1, 28, 28)
    noise = torch.randn(4, 16)
    alone = torch.cat([net(x[i : i + 1], noise[i : i + 1]).parameters for i in range(4)])
    torch.testing.assert_close(net(x, noise).parameters, alone, rtol=1e-4, atol=1e-5)


def test_exports_with_any_batch_size():
    net, x = built({}).eval(), torch.rand(2, 1, 28, 28)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(net, (x, torch.zeros(2, 16)), dynamic_shapes=({0: batch}, {0: batch}))
    y = torch.rand(5, 1, 28, 28)
    expected = net(y, torch.zeros(5, 16))
    got = program.module()(y, torch.zeros(5, 16))
    torch.testing.assert_close(got.parameters, expected.parameters)
