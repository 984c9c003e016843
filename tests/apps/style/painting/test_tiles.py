"""Tiles fit together: with the whole picture's statistics they give the whole picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.style import toy
from yoto.apps.style.painting import tiles
from yoto.data.pixels import array_planes


@pytest.fixture(scope="module")
def values(painter):
    return painter.bank.parameters("dots", strength=0.9)


def test_tiles_with_exact_statistics_are_the_whole(painter, values):
    pixels = toy.photograph(200, 264)
    whole = tiles.paint(painter.engine, pixels, values)
    _, exact = painter.engine(array_planes(pixels)[None], values)
    tiled = tiles.paint(painter.engine, pixels, values, statistics=exact, whole=1, tile=64, halo=64)
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert (tiled == whole).mean() > 0.99


def test_tiles_that_normalise_themselves_would_not_fit(painter, values):
    pixels = toy.photograph(192, 256)
    pixels[:, 128:] //= 4
    whole = tiles.paint(painter.engine, pixels, values).astype(int)
    alone = np.hstack(
        [tiles.paint(painter.engine, np.ascontiguousarray(half), values) for half in np.hsplit(pixels, 2)]
    )
    shared = tiles.paint(painter.engine, pixels, values, whole=1, tile=128)
    assert np.abs(shared - whole).mean() < 0.5 * np.abs(alone - whole).mean()


def test_no_seam_shows_where_statistics_are_sampled(painter, values):
    pixels = toy.photograph(320, 640, seed=3)
    painted = tiles.paint(painter.engine, pixels, values, whole=1, tile=320).astype(int)
    whole = tiles.paint(painter.engine, pixels, values).astype(int)
    steps, expected = (np.abs(np.diff(image, axis=1)).mean(axis=(0, 2)) for image in (painted, whole))
    ratio = steps / expected
    assert abs(ratio[319] - ratio.mean()) < 4 * ratio.std() + 0.02


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 70), (16, 16), (17, 33), (65, 40)])
def test_any_size_is_painted(painter, values, height, width):
    pixels = toy.photograph(height, width)
    assert tiles.paint(painter.engine, pixels, values).shape == pixels.shape
    assert tiles.paint(painter.engine, pixels, values, whole=1, tile=16, halo=8).shape == pixels.shape


@given(st.integers(1, 5000), st.sampled_from([64, 640, 1024]))
def test_tiles_cover_a_side_without_gap_or_sliver(length, tile):
    edges = tiles.edges(length, tile)
    assert edges[0] == 0
    assert edges[-1] == length
    parts = np.diff(edges)
    assert parts.min() >= min(length, tile // 2)
    assert parts.max() <= 1.5 * tile
    assert all(edge % 8 == 0 for edge in edges[:-1])


def test_statistics_are_those_of_the_whole_picture(painter, values):
    """Those of parts differ: what was painted in tiles was 3 to 13 levels darker than what was painted whole."""
    pixels = toy.photograph(320, 480, seed=5)
    _, exact = painter.engine(array_planes(pixels)[None], values)
    assert np.array_equal(tiles.measured(painter.engine, [pixels], values), exact)
    whole = tiles.paint(painter.engine, pixels, values).astype(int)
    tiled = tiles.paint(painter.engine, pixels, values, whole=1, tile=128, halo=96)
    assert np.abs(tiled - whole).max() <= 1


def test_statistics_of_larger_pictures_come_from_a_smaller_copy(painter, values, monkeypatch):
    monkeypatch.setattr(tiles, "WHOLE", 120 * 180)
    seen = []

    def engine(images, *arguments):
        seen.append(images.shape)
        return painter.engine(images, *arguments)

    tiles.measured(engine, [toy.photograph(320, 480)], values)
    tiles.measured(engine, [toy.photograph(320, 480, seed) for seed in range(4)], values)
    assert seen == [(1, 3, 120, 180), (4, 3, 60, 90)]


def test_progress_counts_tiles(painter, values):
    seen = []
    tiles.paint(
        painter.engine, toy.photograph(64, 128), values, whole=1, tile=64, halo=8, progress=lambda *a: seen.append(a)
    )
    assert seen == [(1, 2), (2, 2)]
