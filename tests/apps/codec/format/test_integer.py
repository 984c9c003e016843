"""The integer hyper-decoder: equal to arithmetic on Python's integers, and close to the float network."""

import math

import numpy as np
import pytest
import torch

from yoto import LogUniform, LossSpace, condition
from yoto.apps.codec.format import integer, tables
from yoto.apps.codec.format.integer import IntegerDecoder, build, fingerprint
from yoto.apps.codec.network import MeanScaleHyperprior, ScaleHyperprior
from yoto.errors import YotoError


@pytest.fixture(scope="module", params=[False, True], ids=["mean-scale", "spatial"])
def model(request):
    torch.manual_seed(3)
    net = MeanScaleHyperprior(6, 5, 4, spatial=request.param)
    return condition(net, LossSpace(distortion=LogUniform(0.001, 0.2), rate=1.0), gain="exponential", skip=True)


@pytest.fixture(scope="module")
def decoder(model):
    return IntegerDecoder(model.plain, build(model))


def python_layer(layer, x, level):
    """One layer with Python's unbounded integers: a direct sum over inputs and taps."""
    module = layer.module
    stride, padding = module.stride[0], module.padding[0]
    transposed = isinstance(module, torch.nn.ConvTranspose2d)
    weight = layer.weight.long().tolist()
    bias, scale, shift = (
        layer.bias.long().tolist(),
        layer.scale[level].long().tolist(),
        layer.shift[level].long().tolist(),
    )
    _, height, width = x.shape
    kernel = module.kernel_size[0]
    out_h, out_w = (2 * height, 2 * width) if transposed else (height, width)
    x = x.long().tolist()
    result = np.zeros((module.out_channels, out_h, out_w), dtype=object)
    for o in range(module.out_channels):
        for i in range(out_h):
            for j in range(out_w):
                total = bias[o]
                for c in range(module.in_channels):
                    for a in range(kernel):
                        for b in range(kernel):
                            if transposed:
                                row, column = i + padding - a, j + padding - b
                                if row % stride or column % stride:
                                    continue
                                row, column = row // stride, column // stride
                                tap = weight[c][o][a][b]
                            else:
                                row, column = i * stride - padding + a, j * stride - padding + b
                                tap = weight[o][c][a][b]
                            if 0 <= row < height and 0 <= column < width:
                                total += tap * x[c][row][column]
                total = total * scale[o] + shift[o] * 2**integer.ALIGN
                value = (total + 2 ** (integer.DROP - 1)) >> integer.DROP
                result[o, i, j] = max(-integer.LIMIT, min(integer.LIMIT, value))
    return torch.tensor(result.astype(np.int64))


@pytest.mark.parametrize("level", [0, 101, 255])
def test_layers_are_exact(decoder, level):
    x = torch.randint(-(2**18), 2**18, (4, 3, 2)).double()
    for number, layer in enumerate(decoder.layers):
        found = layer(x[None], level)[0]
        assert torch.equal(found.long(), python_layer(layer, x, level))
        x = torch.where(found < 0, (found * 0.125).floor(), found) if number < 2 else found
    assert torch.equal(found, found.round())


def test_the_integers_follow_the_float_network(model, decoder):
    level = 180
    symbols = torch.randint(-6, 7, (4, 3, 3))
    z = decoder.hyper_latents(symbols, level)
    mean, log_scale, index = decoder.parameters(z, level)
    weight = integer.levels_of(0.001, 0.2)[level]
    with torch.no_grad():
        expected = model.at(distortion=weight).hyper_synthesis((z * integer.UNIT).float()[None])[0]
    expected_mean, expected_log = expected.chunk(2)
    assert torch.allclose(mean, expected_mean, atol=0.05)
    assert torch.allclose(log_scale, expected_log, atol=0.05)
    logs = torch.tensor(tables.scales()).log()
    nearest = (expected_log[..., None] - logs).abs().argmin(-1)
    assert (index.int() - nearest).abs().max() <= 1
    assert (index == nearest).float().mean() > 0.9


def test_parts_of_the_grid_give_what_the_whole_gives(decoder):
    z = decoder.hyper_latents(torch.randint(-9, 10, (4, 9, 8)), 77)
    whole = decoder.parameters(z, 77).part(slice(12, 24), slice(0, 16))
    part = decoder.parameters(z[:, 1:8, 0:6], 77).part(slice(8, 20), slice(0, 16))
    assert all(torch.equal(one, other) for one, other in zip(part, whole, strict=True))


def test_parameters_are_whole_multiples_of_their_unit(decoder):
    """So float32 holds what the integers say."""
    found = decoder.parameters(decoder.hyper_latents(torch.randint(-4000, 4000, (4, 3, 3)), 255), 255)
    for values in found[:2]:
        units = values.double() / integer.UNIT
        assert torch.equal(units, units.round())
        assert units.abs().max() <= integer.LIMIT


def test_the_first_layers_inputs_stay_within_its_bound(decoder):
    symbols = torch.full((4, 1, 1), -integer.LARGEST_HYPER)
    assert decoder.hyper_latents(symbols, 0).abs().max() <= decoder.layers[0].largest


def test_bounds_are_bounds(decoder):
    for layer in decoder.layers:
        worst = torch.full((1, layer.module.in_channels, 5, 5), layer.largest)
        plain = isinstance(layer.module, torch.nn.Conv2d)
        sums = torch.nn.functional.conv2d if plain else torch.nn.functional.conv_transpose2d
        reached = sums(worst.double(), layer.weight.abs(), layer.bias.abs()).amax((0, 2, 3))
        assert (reached * layer.scale.abs().amax(0)).max() <= layer.bound() < 2**53


def test_sums_that_leave_the_exact_range_are_refused(model):
    extras = build(model)
    extras["first.scale"] = extras["first.scale"].int() * 2**20
    with pytest.raises(YotoError, match=r"below 2\^53"):
        IntegerDecoder(model.plain, extras)


def test_a_diverged_network_is_refused(model):
    with torch.no_grad():
        net = MeanScaleHyperprior(4, 4, 4)
        broken = condition(net, LossSpace(distortion=LogUniform(0.001, 0.2), rate=1.0), gain="exponential")
        broken.film.heads.bias.fill_(1e9)
    with pytest.raises(YotoError, match="finite"):
        build(broken)


def test_missing_tables_are_named(model):
    extras = build(model)
    del extras["thresholds"]
    with pytest.raises(YotoError, match="thresholds"):
        IntegerDecoder(model.plain, extras)


def test_the_prior_follows_the_network(model):
    extras = build(model)
    for level in (0, 255):
        weight = integer.levels_of(0.001, 0.2)[level]
        with torch.no_grad():
            mean, log_scale = model.at(distortion=weight).prior(torch.zeros(1, 4, 1, 1))
        assert torch.allclose(extras["prior.mean"][level].float() / 256, mean.flatten(), atol=1 / 256)
        scales = torch.tensor(tables.scales())[extras["prior.index"][level].long()]
        assert torch.allclose(scales.log(), log_scale.flatten(), atol=0.07)


def test_the_fingerprint_does_not_depend_on_order(model):
    extras = build(model)
    assert fingerprint(model, extras) == fingerprint(model, dict(reversed(extras.items())))


def test_the_published_network_has_a_table_per_channel():
    torch.manual_seed(0)
    model = condition(ScaleHyperprior(4, 6), LossSpace(distortion=LogUniform(0.001, 0.2), rate=1.0))
    decoder = IntegerDecoder(model.plain, build(model))
    assert len(decoder.tables) == tables.COUNT + 4
    assert decoder.prior_index[0].tolist() == [64, 65, 66, 67]
    mean, _, index = decoder.parameters(decoder.hyper_latents(torch.randint(-3, 4, (4, 2, 2)), 0), 0)
    assert not mean.any()
    assert index.shape == (6, 8, 8)
    assert math.isclose(sum(decoder.tables[64].frequencies) / 2**24, 1)
