"""Shapes, starting values, and how far the networks look: the codec's tiles rest on that."""

import pytest
import torch

from yoto import LogUniform, LossSpace, condition
from yoto.apps.codec.network import BLOCK, STRIDE, make_network, pad_to
from yoto.apps.codec.options import CompressionOptions

SMALL = {
    "mean-scale": {"channels": 8, "latents": 12, "hyper": 6},
    "spatial": {"channels": 8, "latents": 12, "hyper": 6},
    "scale": {"channels": 6, "latents": 8},
}


@pytest.fixture(params=list(SMALL))
def net(request):
    torch.manual_seed(0)
    return make_network(CompressionOptions(network=request.param, **SMALL[request.param]))


def space():
    return LossSpace(distortion=LogUniform(0.001, 0.2), rate=1.0)


def test_shapes(net):
    x = torch.rand(2, 3, 64, 128)
    y = net.analysis(x)
    z = net.hyper_analysis(y)
    assert y.shape[2:] == (4, 8)
    assert z.shape[2:] == (1, 2)
    mean, log_scale = net.latent_prior(net.hyper_synthesis(z))
    assert mean.shape == log_scale.shape == y.shape
    coded = net(x)
    assert coded.image.shape == x.shape
    assert coded.latent_bits.shape == coded.hyper_bits.shape == (2,)
    assert min(coded.latent_bits.min(), coded.hyper_bits.min()) > 0


def test_training_uses_noise_and_evaluation_does_not(net):
    x = torch.rand(1, 3, 64, 64)
    assert not torch.equal(net(x).latent_bits, net(x).latent_bits)
    net.eval()
    assert torch.equal(net(x).latent_bits, net(x).latent_bits)


def test_every_parameter_is_trained(net):
    # At the start the hyper-latents of an image round to zero; those of larger values reach every layer.
    coded = net(40 * torch.rand(2, 3, 64, 64))
    (coded.latent_bits.sum() + coded.hyper_bits.sum() + coded.image.square().sum()).backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert without == []


def test_the_start_keeps_the_signals_size():
    torch.manual_seed(0)
    net = make_network(CompressionOptions(channels=32, latents=64))
    y = torch.randn(1, 64, 8, 8)
    for layer in net.synthesis.convs:
        before = y.std()
        y = layer(y)
        assert 0.5 < y.std() / before < 2


def reach(function, size, channels, scale):
    """How many inputs away from the middle a change still shows in the middle of the output."""
    x = torch.rand(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    y = function(x)
    centre = y.shape[-1] // 2
    width = max(1, int(scale))
    y[:, :, centre : centre + width, centre : centre + width].sum().backward()
    seen = (x.grad.abs().sum((0, 1)) > 0).nonzero()
    first, last = int(seen.min()), int(seen.max())
    own = centre / scale
    return own - first, last - (own + width / scale - 1)


def test_a_tile_needs_two_latents_and_two_hyper_latents_around_it(net):
    net = net.double()
    latents = net.hyper_analysis.first.in_channels
    assert max(reach(net.synthesis, 8, latents, BLOCK)) <= 2
    assert max(reach(net.hyper_synthesis, 8, net.hyper_synthesis.first.in_channels, STRIDE // BLOCK)) <= 2
    assert max(reach(net.analysis, 128, 3, 1 / BLOCK)) <= 64


def test_conditional_and_baked_networks_agree(net):
    model = condition(net.eval(), space(), gain="exponential", skip=True)
    x = torch.rand(2, 3, 64, 64)
    bound, plain = model.at(distortion=0.05), model.bake(distortion=0.05)
    assert type(plain) is type(net)
    y = bound.analysis(x)
    assert torch.allclose(plain.analysis(x), y, atol=1e-5, rtol=1e-5)
    assert torch.allclose(plain.synthesis(y), bound.synthesis(y), atol=1e-5, rtol=1e-5)
    assert torch.allclose(plain.hyper_synthesis(y[:, : net.hyper_synthesis.first.in_channels]),
                          bound.hyper_synthesis(y[:, : net.hyper_synthesis.first.in_channels]), atol=1e-5)  # fmt: skip


def test_padding_repeats_the_last_row_and_column():
    x = torch.rand(1, 3, 65, 64)
    padded = pad_to(x)
    assert padded.shape == (1, 3, 128, 64)
    assert torch.equal(padded[:, :, 65:], x[:, :, -1:].expand(-1, -1, 63, -1))
    assert pad_to(padded) is padded
