"""Frames of a film are painted alike, and how steady the result is is measured."""

import numpy as np
import pytest

from apps.style import toy
from yoto.apps.style.painting.frames import chosen, consistency


def test_a_still_film_painted_still_does_not_flicker():
    frame = toy.photograph(20, 30)
    found = consistency([(frame, frame)] * 3)
    assert found.to_dict() == {"frames": 3, "input_change": 0, "output_change": 0, "still": 1, "flicker": 0}


def test_only_pixels_that_stand_still_count_as_flicker():
    input0 = np.full((10, 10, 3), 100, np.uint8)
    input1 = input0.copy()
    input1[:5] += 50
    output0, output1 = np.zeros_like(input0), np.zeros_like(input0)
    output1[:5], output1[5:] = 200, 7
    found = consistency([(input0, output0), (input1, output1)])
    assert found.still == 0.5
    assert found.flicker == pytest.approx(7)
    assert found.input_change == pytest.approx(25)
    assert found.output_change == pytest.approx(103.5)


def test_where_nothing_stands_still_there_is_no_flicker():
    one, other = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 9, np.uint8)
    assert consistency([(one, one), (other, other)]).flicker is None
    assert consistency([(one, one)]) is None


@pytest.mark.parametrize("count", [2, 3, 6, 7, 100])
def test_frames_for_statistics_are_spread_over_the_film(count):
    indices = chosen(count)
    assert indices[0] == 0
    assert indices[-1] == count - 1
    assert len(indices) == min(count, 6)


def test_shared_statistics_steady_a_film(painter):
    """A bright object enters at one side: the other side, which stands still, should not change."""
    values = painter.bank.parameters("dots", strength=0.9)
    first = toy.photograph(96, 192)
    second = first.copy()
    second[:, :48] = 255
    shared = painter.statistics([first, second], values)
    alike = [painter.paint(frame, values, statistics=shared).astype(int) for frame in (first, second)]
    alone = [painter.paint(frame, values).astype(int) for frame in (first, second)]
    steady, unsteady = (np.abs(pair[0] - pair[1])[:, 140:].mean() for pair in (alike, alone))
    assert steady < 0.1 * unsteady
