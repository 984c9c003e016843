"""Between latents and symbols: encoder and decoder take the same passes, whatever the tiles, precision or source."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from yoto.apps.codec import latents
from yoto.apps.codec.assembly import pixels_of
from yoto.apps.codec.format.chunks import header_of
from yoto.apps.codec.format.coder import default
from yoto.apps.codec.grid import Rows
from yoto.apps.codec.network import MeanScaleHyperprior
from yoto.apps.codec.rounding import Rounding
from yoto.apps.codec.symbols import dequantised, quantised
from yoto.data.images import Picture
from yoto.data.pixels import psnr_of
from yoto.errors import YotoError

NEAREST = Rounding.normal(math.inf)


@pytest.fixture(params=[False, True], ids=["mean-scale", "spatial"])
def net(request):
    torch.manual_seed(0)
    net = MeanScaleHyperprior(8, 6, 4, spatial=request.param).eval().requires_grad_(False)
    if net.spatial is not None:
        for layer in (net.spatial.steps.last, *(each.last for each in net.spatial.passes)):
            layer.weight.mul_(50)  # far from where it starts
    return net


def values(rows=8, columns=12):
    generator = torch.Generator().manual_seed(1)
    y, mean, log_scale = (torch.randn(6, rows, columns, generator=generator) for _ in range(3))
    return 9 * y, 3 * mean, 2 * log_scale


@pytest.mark.parametrize("price", [None, 8.0])
def test_symbols_are_those_that_training_rounds(net, price):
    y, mean, log_scale = values()
    net.rounding = None if price is None else Rounding.normal(price)
    decoded, residual, rounded = net.quantised(y[None], mean[None], log_scale[None])
    symbols = quantised(net, y, mean, log_scale, net.rounding or NEAREST)
    assert torch.equal(symbols, rounded[0])
    assert torch.equal(symbols, residual[0].round()) == (price is None)
    assert symbols.unique().numel() > 20
    assert torch.equal(dequantised(net, symbols, mean, log_scale), decoded[0])


def test_decoded_latents_are_within_half_a_step(net):
    y, mean, log_scale = values()
    error = dequantised(net, quantised(net, y, mean, log_scale, NEAREST), mean, log_scale) - y
    step = torch.ones_like(y) if net.spatial is None else net.spatial.steps(log_scale.clamp_min(np.log(0.11))[None])[0]
    assert (error.abs() / step).max() <= 0.5 + 1e-4
    assert error.abs().max() > 0.4


def test_autocast_does_not_reach_means_and_steps(net):
    y, mean, log_scale = values()
    symbols = quantised(net, y, mean, log_scale, NEAREST)
    decoded = dequantised(net, symbols, mean, log_scale)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quantised(net, y, mean, log_scale, NEAREST), symbols)
        assert torch.equal(dequantised(net, symbols, mean, log_scale), decoded)


def test_tiles_give_what_the_whole_gives(net):
    """In float64, where no latent is rounded the other way: NEIGHBOURS is enough, and two fewer are not."""
    net = net.double()
    y, mean, log_scale = (each.double() for each in values(24, 24))
    rounding = Rounding.normal(8.0)
    by_price = partial(quantised, rounding=rounding)
    symbols = by_price(net, y, mean, log_scale)
    decoded = dequantised(net, symbols, mean, log_scale)

    def in_tiles(passes, source):
        rows, priors = Rows(), Rows()
        rows.add([source])
        priors.add([torch.cat([mean, log_scale])])
        boxes = [(t, t + 2, s, s + 2) for t in (0, 2, 4) for s in (0, 2, 4)]
        found = [latents.through_passes(passes, net, rows, priors, box, (6, 6)) for box in boxes]
        return torch.cat([torch.cat(found[i : i + 3], 2) for i in (0, 3, 6)], 1)

    assert torch.equal(in_tiles(by_price, y), symbols)
    assert torch.allclose(in_tiles(dequantised, symbols), decoded)
    if net.spatial is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(latents, "NEIGHBOURS", 2)
            assert not torch.equal(in_tiles(by_price, y), symbols)


def test_the_encoder_knows_what_the_decoder_will_see(tiny, photo, monkeypatch):
    """Of a picture in one tile, the latents that the encoder's passes went through are those decoded from its file."""
    seen, inside = [], quantised

    def spied(net, y, mean, log_scale, rounding):
        symbols = inside(net, y, mean, log_scale, rounding)
        seen.append(dequantised(net, symbols, mean, log_scale))
        return symbols

    monkeypatch.setattr(latents, "quantised", spied)
    contents = latents.encode(tiny, header_of(Picture(photo), 90, tiny.fingerprint, 1024), photo, default())
    rows = Rows()
    list(latents.decode_latents(tiny, contents, default(), rows))
    ((_, decoded),) = rows.parts
    assert torch.equal(decoded, seen[0])


@pytest.mark.parametrize("place", [0, 1], ids=["latents", "hyper-latents"])
def test_latents_that_are_no_numbers_are_refused(tiny, photo, place):
    """As a network gives them whose training went wrong: a file of them could not be read."""

    def analyse(*arguments):
        found = [each.clone() for each in latents.analysed(*arguments)]
        found[place][0, 0, 0] = math.nan
        return tuple(found)

    with pytest.raises(YotoError, match="Found NaN"):
        latents.encode(tiny, header_of(Picture(photo), 90, tiny.fingerprint, 1024), photo, default(), analyse)


@pytest.mark.parametrize("tile", [128, 1024])
def test_latents_can_be_refined_before_they_are_rounded(tiny, photo, tile):
    boxes = []

    def refined(net, pixels, box, rows, columns):
        y, z = latents.analysed(net, pixels, box, rows, columns)
        boxes.append(box)
        with torch.inference_mode(False), torch.enable_grad():  # as one does who follows gradients
            image = net.synthesis(y.clone()[None].requires_grad_())
            assert image.requires_grad
        return y * 0.5, z

    header = header_of(Picture(photo), 200, tiny.fingerprint, tile)
    plain = latents.encode(tiny, header, photo, default())
    other = latents.encode(tiny, header, photo, default(), refined)
    assert boxes == list(header.tiles())
    assert other.symbols != plain.symbols
    quality = [psnr_of(pixels_of(contents, tiny, default()), photo) for contents in (plain, other)]
    assert quality[1] < quality[0] - 3
