"""Contact sheets and animations."""

import io

import numpy as np
import pytest
from PIL import Image

from apps.style import toy
from yoto.apps.style.painting import sheets
from yoto.data.images import Picture
from yoto.errors import YotoError


def test_positions_span_the_slider(painter):
    assert sheets.positions(painter.bank, "strength", 5) == [0, 0.25, 0.5, 0.75, 1]
    low, high = painter.bank.extent("coarse")
    found = sheets.positions(painter.bank, "coarse", 3)
    assert found[0] == low
    assert found[1] == pytest.approx((low * high) ** 0.5)
    assert found[2] == high
    with pytest.raises(YotoError, match="slider"):
        sheets.positions(painter.bank, "speed", 3)


@pytest.mark.parametrize("slider", sheets.SLIDERS)
def test_a_setting_moves_its_slider_alone(painter, slider):
    given = {"strength": 0.4, "layers": {"mid": 2.0}, "smoothness": 0.1}
    place = sheets.positions(painter.bank, slider, 4)[1]
    base = painter.bank.parameters("dots", **given)
    moved = sheets.setting(painter.bank, "dots", slider, place, **given)
    name = "style" if slider == "strength" else slider
    assert {key for key in base if base[key] != moved[key]} == {name}


def test_a_sheet_holds_every_picture(painter):
    pixels = toy.photograph(60, 90)
    values = [sheets.setting(painter.bank, "dots", "strength", s) for s in (0.0, 1.0)]
    row = sheets.row(painter, Picture(pixels), values, cell=45)
    assert [each.shape for each in row] == [(30, 45, 3)] * 2
    made = sheets.sheet([row, row], ["dots", "again"], ["0", "1"])
    assert made.shape[0] > 60
    assert made.shape[1] > 90
    for place in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(made, (30, 45, 3))[:, :, 0]
        assert sum(np.array_equal(windows[y, x], row[place]) for y, x in np.ndindex(windows.shape[:2])) == 2


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_goes_forth_and_back(kind):
    pictures = [np.full((16, 16, 3), level, np.uint8) for level in (0, 60, 120, 180)]
    with Image.open(io.BytesIO(sheets.animation(pictures, kind))) as image:
        assert image.format == kind
        assert image.n_frames == 6
        seen = []
        for index in range(6):
            image.seek(index)
            seen.append(int(np.asarray(image.convert("RGB"))[8, 8, 0]))
    assert np.allclose(seen, [0, 60, 120, 180, 120, 60], atol=6)
