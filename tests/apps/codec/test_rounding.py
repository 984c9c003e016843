"""Rounding by bits and error, against brute force; tables that are counted."""

import math

import numpy as np
import pytest
import torch

from apps.codec.golden import DATA
from yoto import bundle, codec
from yoto.apps.codec import counting, latents
from yoto.apps.codec.format import tables
from yoto.apps.codec.likelihoods import gaussian_bits
from yoto.apps.codec.network import make_network
from yoto.apps.codec.options import CompressionOptions
from yoto.apps.codec.rounding import LARGEST, NEAREST, Rounding, bits_of, encoding_price
from yoto.data.photographs import BUNDLED, PhotographCrops

NORMAL = bits_of(tables.normal_tables())


def sample(count=4000, spread=3.0):
    generator = torch.Generator().manual_seed(0)
    number = torch.randint(tables.COUNT, (count,), generator=generator)
    log_scale = torch.tensor(tables.scales()).log()[number]
    residual = spread * torch.randn(count, generator=generator) * log_scale.exp().clamp(0.3, 5.0)
    return residual, log_scale, number


@pytest.mark.parametrize("price", [4.0, 8.0, 40.0])
def test_it_is_the_better_of_the_nearest_integer_and_the_one_below(price):
    residual, log_scale, number = sample()
    chosen = Rounding.normal(price)(residual, log_scale)
    for r, symbol, table in zip(residual.tolist(), chosen.tolist(), number.tolist(), strict=True):
        nearest = round(abs(r))
        below = max(nearest - 1, 0)
        if nearest > LARGEST or NORMAL[table, nearest] < NORMAL[table, below]:
            assert abs(symbol) == nearest
            continue
        costs = {n: float(NORMAL[table, n]) + price * (abs(r) - n) ** 2 for n in (nearest, below)}
        assert costs[abs(round(symbol))] == pytest.approx(min(costs.values()), rel=1e-4)
        assert symbol * r >= 0


def test_an_error_of_any_price_is_the_nearest_integer():
    residual, log_scale, _ = sample()
    assert torch.equal(Rounding.normal(math.inf)(residual, log_scale), residual.round())
    assert (Rounding.normal(8.0)(residual, log_scale) != residual.round()).float().mean() > 0.1


def test_what_is_not_finite_stays_so():
    found = Rounding.normal(8.0)(
        torch.tensor([math.nan, math.inf, -math.inf, 0.3]), torch.tensor([0.0, 0.0, 1.0, math.nan])
    )
    assert found.isnan().tolist() == [True, False, False, False]
    assert found.isinf().tolist() == [False, True, True, False]


@pytest.mark.parametrize("price", [8.0, math.inf])
def test_the_nearest_integer_to_what_is_moved_is_the_symbol(price):
    residual, log_scale, _ = sample()
    rounding = Rounding.normal(price)
    moved = rounding.moved(residual, log_scale)
    chosen = rounding(residual, log_scale)
    near = rounding.at("places", log_scale, residual.abs().floor() + 1) - residual.abs().floor() < 0.97
    last = (rounding.at("places", log_scale, residual.abs().floor()) < residual.abs()) & near
    assert last.float().mean() > 0.9
    assert torch.equal(moved.round()[last], chosen[last])
    if math.isinf(price):
        assert torch.allclose(moved, residual, atol=1e-5)
    x = torch.linspace(-4, 4, 801)
    assert (rounding.moved(x, torch.zeros(801)).diff() > 0).all()


def test_bits_are_those_of_the_tables_and_their_gradients_lead_somewhere():
    residual, log_scale, number = sample(500)
    rounding = Rounding.normal(8.0)
    symbols = residual.round().clamp(-LARGEST, LARGEST)
    assert torch.equal(rounding.bits(symbols, log_scale), NORMAL[number, symbols.abs().long()])
    x, scale = torch.tensor([0.4, 50.0]).requires_grad_(), torch.tensor([0.0, 3.0]).requires_grad_()
    rounding.bits(x, scale).sum().backward()
    (expected,) = torch.autograd.grad(gaussian_bits(x.detach(), scale).sum(), scale)
    assert x.grad.min() > 0
    assert scale.grad.tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("trained", "ends"), [(None, NEAREST), (8.0, (12.0, 7.2))])
def test_prices_of_encoding_lie_between_two_ends(trained, ends):
    found = [encoding_price(share, trained) for share in (0.0, 0.5, 1.0)]
    assert found == pytest.approx([ends[0], math.sqrt(ends[0] * ends[1]), ends[1]])


def test_counted_tables_follow_what_was_counted():
    rng = np.random.default_rng(0)
    values = rng.laplace(scale=0.5, size=(tables.COUNT, 20_000)).round().astype(int)
    counts = np.stack([np.bincount(row + tables.WIDEST, minlength=2 * tables.WIDEST + 1) for row in values])
    made = tables.counted_tables(counts)
    for table, normal, row in list(zip(made, tables.normal_tables(), values, strict=True))[8:28]:
        assert table.frequencies.sum() == 2**24
        assert table.lowest == normal.lowest
        assert np.array_equal(table.frequencies[:-1], table.frequencies[-2::-1])
        size = np.abs(row)[np.abs(row) <= -table.lowest]
        probability = np.bincount(size) / len(size)
        entropy = -(probability * np.log2(np.where(probability > 0, probability, 1))).sum() + (size > 0).mean()
        bits = np.mean([tables.cost(table, int(value)) for value in row if abs(value) <= -table.lowest])
        assert bits == pytest.approx(entropy, rel=0.02)
        assert bits < np.mean([tables.cost(normal, int(value)) for value in row if abs(value) <= -table.lowest]) + 0.01


def test_without_counts_tables_cost_what_the_normal_ones_do():
    made = tables.counted_tables(np.zeros((tables.COUNT, 2 * tables.WIDEST + 1), np.int64))
    for table, normal in zip(made, tables.normal_tables(), strict=True):
        share = normal.frequencies / 2**24
        assert (share * np.log2(normal.frequencies / table.frequencies)).sum() < 2e-4


def test_a_network_trained_with_a_price_is_rounded_by_it():
    net = make_network(CompressionOptions(network="spatial", channels=8, latents=12, rounding=8.0)).eval()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        fewer = net(images)
        net.rounding = None
        nearest = net(images)
    assert fewer.latent_bits < nearest.latent_bits
    assert not torch.equal(fewer.image, nearest.image)


def crops(side=128):
    """Training crops of the bundled photographs."""
    from yoto.data.photographs import read_whole

    pixels = read_whole(sorted(BUNDLED.glob("*.webp"))[:3]).images
    shapes = torch.tensor([[number * pixels[0].numel(), *pixels.shape[2:]] for number in range(3)])
    return PhotographCrops(pixels.flatten(), shapes, side)


def test_tables_counted_on_crops_code_another_picture_in_fewer_bits(tiny, photo, monkeypatch):
    """Of the same symbols, which are chosen for the tables that the model has."""
    loaded = bundle.load(DATA / "tiny.safetensors")
    found, seen, coder = counting.counted(loaded.model, crops(), None), [], latents.encode_values

    def spied(values, index, *others):
        seen.append((values.tolist(), index.tolist()))
        return coder(values, index, *others)

    monkeypatch.setattr(latents, "encode_values", spied)
    for quality in (20, 50, 80):
        codec.compress(photo, quality=quality, model=tiny)

    def bits(known):
        return sum(tables.cost(known[t], v) for values, index in seen for v, t in zip(values, index, strict=True))

    assert bits(found) < 0.99 * bits(tables.normal_tables())
