from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yoto.apps.vae.world import raycast, shapes
from yoto.apps.vae.world.shapes import SHAPES, SIZES, TOTAL, ShapesData, ShapesWorld
from yoto.errors import YotoError

FLOOR, WALL, OBJECT, HIGHLIGHT, SKY = range(5)


@pytest.fixture(scope="module")
def world():
    return ShapesWorld.traced(64, 1)


def test_it_has_the_factors_of_3d_shapes():
    assert SIZES == (10, 10, 10, 8, 4, 15)
    assert TOTAL == 480_000


@given(st.lists(st.integers(0, TOTAL - 1), min_size=1, max_size=30))
def test_index_and_factors_are_two_names_of_one_image(index):
    index = torch.tensor(index)
    factors = shapes.factors(index)
    assert torch.equal(shapes.indices(factors), index)
    assert (factors >= 0).all()
    assert (factors < torch.tensor(SIZES)).all()


def test_orientation_changes_fastest_and_the_floor_slowest():
    assert shapes.factors(torch.tensor([0, 1, 15, 48_000])).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [([0, 0, 0, 8, 0, 0], "scale in 0..7. Found: 8"), ([0, -1, 0, 0, 0, 0], "wall hue in 0..9. Found: -1")],
)
def test_factors_out_of_range_are_named(row, message):
    with pytest.raises(YotoError, match=message):
        shapes.indices(torch.tensor([[0] * 6, row]))
    with pytest.raises(YotoError, match=r"shape \[B, 6\]"):
        shapes.indices(torch.tensor([row[:5]]))


def test_shares_of_a_pixel_are_sound(world):
    maps = world.coefficients
    assert maps.shape == (480, 5, 64 * 64)
    assert maps.isfinite().all()
    assert maps.min() >= 0
    assert maps.max() <= 1
    surface = maps[:, [FLOOR, WALL, OBJECT, SKY]] > 0
    assert (surface.sum(1) == 1).all()
    assert (maps[:, HIGHLIGHT][maps[:, OBJECT] == 0] == 0).all()


def test_images_have_the_colours_of_their_factors(world):
    image = world.render(torch.tensor([[0, 3, 6, 4, 2, 7]]))[0]
    red, green, blue = image.unbind(0)
    assert image.shape == (3, 64, 64)
    assert red[60, 10] > 0.9
    assert green[60, 10] == blue[60, 10] == 0
    assert torch.allclose(image[:, 2, 32], torch.tensor(shapes.SKY))
    hue = shapes.rainbow(10)
    wall, thing = image[:, 30, 4], image[:, 50, 32]
    assert torch.allclose(wall / wall.max(), hue[3], atol=1e-5)
    assert torch.allclose(thing / thing.max(), hue[6], atol=0.1)


def test_the_rainbow_starts_at_red_and_ends_before_it():
    colours = shapes.rainbow(6)
    assert colours.int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]]


def test_every_factor_shows_in_the_image(world):
    base = torch.tensor([5, 5, 5, 4, 1, 7])
    for column, size in enumerate(SIZES):
        rows = base.repeat(size, 1)
        rows[:, column] = torch.arange(size)
        images = world.render(rows).flatten(1)
        assert torch.cdist(images, images).fill_diagonal_(math.inf).min() > 1


def test_scale_and_shape_decide_the_size_of_the_object(world):
    sizes = (world.coefficients[:, OBJECT] > 0).sum(1).reshape(8, 4, 15).float()
    assert (sizes.diff(dim=0) > 0).all()
    upright = sizes[..., 7]
    assert (upright[:, 3:] > upright[:, :3]).all()
    assert (sizes[:, SHAPES.index("sphere")].diff(dim=1) == 0).all()


def test_the_room_is_seen_mirrored_from_the_other_side(world):
    walls = (world.coefficients[:, SKY] > 0).reshape(32, 15, 64, 64)[SHAPES.index("cube")]
    assert torch.equal(walls[0], walls[14].flip(-1))
    assert not torch.equal(walls[0], walls[14])


def test_the_shadow_lies_to_the_right_of_the_object(world):
    view = world.coefficients.reshape(8, 4, 15, 5, 64, 64)[4, SHAPES.index("cylinder"), 7]
    shadow = (view[FLOOR] > 0) & (view[FLOOR] < 0.35)
    columns = shadow.nonzero()[:, 1].float()
    middle = (view[OBJECT] > 0).nonzero()[:, 1].float().mean()
    assert shadow.sum() > 10
    assert columns.mean() > middle + 5


def test_more_rays_give_smoother_edges_of_the_same_picture(world):
    fine = ShapesWorld(raycast.trace([1.0], ["sphere"], [0.1], 16, 4).flatten(0, 2))
    coarse = ShapesWorld(raycast.trace([1.0], ["sphere"], [0.1], 16, 1).flatten(0, 2))
    assert (fine.coefficients - coarse.coefficients).abs().mean() < 0.05
    shares = fine.coefficients[0, OBJECT]
    assert len(shares.unique()) > len(coarse.coefficients[0, OBJECT].unique())


def numeric_hit(inside, origin, ray, steps=40_000, reach=12.0):
    """First point of a ray inside a body, found by walking along it."""
    t = torch.linspace(0, reach, steps, dtype=torch.float64)
    points = [o + t * d for o, d in zip(origin, ray, strict=True)]
    where = inside(*points).nonzero()
    return float(t[where[0, 0]]) if len(where) else math.inf


def solid(shape, scale):
    if shape == "cube":
        half = scale * 2 / 3
        return lambda x, y, z: (x.abs() < half) & (y.abs() < half) & (z > 0) & (z < 2 * half)
    if shape == "cylinder":
        return lambda x, y, z: (x.hypot(y) < 0.74 * scale) & (z > 0) & (z < 1.45 * scale)
    radius, height = {"sphere": (0.85, 1.70), "capsule": (0.65, 2.60)}[shape]
    radius, height = radius * scale, height * scale
    return lambda x, y, z: (x.square() + y.square() + (z - z.clamp(radius, height - radius)).square()) < radius**2


@pytest.mark.parametrize("shape", SHAPES)
def test_rays_meet_the_bodies_where_a_walk_along_them_does(shape):
    generator = torch.Generator().manual_seed(SHAPES.index(shape))
    origins = torch.randn(60, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 1.0, 0.5]) * 3
    targets = torch.rand(60, 3, generator=generator, dtype=torch.float64) * torch.tensor([2.0, 2.0, 3.0])
    rays = targets - torch.tensor([1.0, 1.0, 0.0]) - origins
    rays = rays / rays.norm(dim=1, keepdim=True)
    inside = solid(shape, 1.1)
    hit = raycast.body(shape, 1.1, raycast.Vector(*origins.T), raycast.Vector(*rays.T))
    outside = [not bool(inside(*origin)) for origin in origins]
    met = 0
    for index in range(60):
        if not outside[index]:
            continue
        expected = numeric_hit(inside, origins[index].tolist(), rays[index].tolist())
        found = float(hit.t[index]) if hit.there[index] else math.inf
        if math.isfinite(expected):
            met += 1
            assert found == pytest.approx(expected, abs=1e-3)
            normal = torch.stack([component[index] for component in hit.normal])
            assert float(normal.norm()) == pytest.approx(1, abs=1e-6)
            assert float(normal @ rays[index]) < 0
        else:
            assert not math.isfinite(found)
    assert met > 15


def test_splits_are_apart_and_complete():
    parts = [shapes.members(split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [380_000, 4_000, 96_000]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(TOTAL))


def test_the_data_are_the_images_of_its_members(world):
    data = ShapesData(world, shapes.members("validation")[:100])
    rows = torch.tensor([3, 99])
    assert len(data) == 100
    assert torch.equal(data.batch(rows, None), world.render(data.factors(rows)))
    assert torch.equal(data.to("cpu").batch(rows), data.batch(rows))
    with pytest.raises(YotoError, match=r"0\.\.99"):
        data.batch(torch.tensor([100]))


def test_a_world_is_traced_once(world):
    assert ShapesWorld.traced(64, 1).coefficients is world.coefficients
