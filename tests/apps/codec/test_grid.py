"""Rows of tiles: what is kept, what is forgotten, what lies around a box."""

import pytest
import torch

from yoto.apps.codec.grid import Rows, followed, inner, scaled, widened


def test_each_item_comes_once_the_next_is_made():
    made = []

    def items():
        for number in range(4):
            made.append(number)
            yield number

    assert [(item, len(made)) for item in followed(items())] == [(0, 2), (1, 3), (2, 4), (3, 4)]
    assert list(followed([])) == []


def test_rows_give_back_what_was_put_in():
    x = torch.arange(3 * 10 * 7).view(3, 10, 7)
    rows = Rows()
    for top, bottom in ((0, 4), (4, 8), (8, 10)):
        rows.add([x[:, top:bottom, :4], x[:, top:bottom, 4:]])
    for box in ((0, 10, 0, 7), (3, 5, 2, 6), (4, 8, 0, 7), (7, 10, 6, 7)):
        assert torch.equal(rows.at(box), x[:, box[0] : box[1], box[2] : box[3]])


@pytest.mark.parametrize("row", [1, 4, 6, 8])
def test_rows_forget_from_the_top(row):
    x = torch.arange(2 * 8 * 3).view(2, 8, 3)
    rows = Rows()
    rows.add([x[:, :4].clone()])
    rows.add([x[:, 4:].clone()])
    rows.forget(row)
    rows.add([x[:, :2] + 100])
    if row < 8:
        assert torch.equal(rows.at((row, 8, 0, 3)), x[:, row:])
    assert torch.equal(rows.at((8, 10, 1, 2)), x[:, :2, 1:2] + 100)
    kept = {part.untyped_storage().nbytes() for _, part in rows.parts}
    assert max(kept) <= x[:, :4].nbytes  # the forgotten is freed


def test_boxes():
    box = (2, 4, 0, 2)
    outer = widened(box, 1, 9, 3)
    assert outer == (1, 5, 0, 3)
    assert scaled(box, 4) == (8, 16, 0, 8)
    grid = torch.arange(27).view(9, 3)
    assert torch.equal(grid[1:5, 0:3][inner(box, outer)], grid[2:4, 0:2])
    assert inner(box, outer, 4) == (slice(4, 12), slice(0, 8))
