"""Frequency tables: valid, and close to the distributions they stand for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from yoto.apps.codec.format import tables
from yoto.apps.codec.likelihoods import LARGEST_SCALE, SMALLEST_SCALE


def test_every_table_sums_to_2_to_the_24():
    for table in tables.normal_tables():
        assert table.frequencies.sum() == 2**24
        assert table.frequencies.min() >= 1
        assert len(table.frequencies) == 2 * -table.lowest + 2


def test_tables_cost_what_the_normal_distribution_costs():
    for scale, table in zip(tables.scales(), tables.normal_tables(), strict=True):
        k = np.arange(table.lowest, -table.lowest + 1)
        probability = norm.cdf((k + 0.5) / scale) - norm.cdf((k - 0.5) / scale)
        cost = -np.log2(table.frequencies[:-1] / 2**24)
        ideal = -(probability * np.log2(np.maximum(probability, 1e-300))).sum()
        assert (probability * cost).sum() == pytest.approx(ideal, rel=1e-3, abs=2e-3)


def test_the_grid_of_scales_costs_a_thousandth():
    """Between two scales, coding by the nearer one costs 0.1 % more than by the exact one."""
    places = tables.scales()
    scale = math.sqrt(places[30] * places[31])
    k = np.arange(-200, 201)
    probability = norm.cdf((k + 0.5) / scale) - norm.cdf((k - 0.5) / scale)
    ideal = -(probability * np.log2(np.maximum(probability, 1e-300))).sum()
    table = tables.normal_table(places[30])
    inside = (k >= table.lowest) & (k <= -table.lowest)
    cost = -(probability[inside] * np.log2(table.frequencies[:-1][k[inside] - table.lowest] / 2**24)).sum()
    assert cost / ideal - 1 < 3e-3


@given(st.floats(math.log(SMALLEST_SCALE) - 1, math.log(LARGEST_SCALE) + 1))
def test_thresholds_choose_the_nearest_scale(log_scale):
    unit = 1 / 256
    value = round(log_scale / unit)
    index = int(np.searchsorted(tables.thresholds(unit), value, side="right"))
    logs = np.log(tables.scales())
    distances = np.abs(logs - value * unit)
    assert distances[index] <= distances.min() + unit


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=300))
def test_any_probabilities_become_a_valid_table(values):
    frequencies = tables.integer_frequencies(values)
    assert frequencies.sum() == 2**24
    assert frequencies.min() >= 1


def test_the_tails_are_heavier_than_normal():
    table = tables.normal_table(1.0)
    cost = -np.log2(table.frequencies[:-1] / 2**24)
    assert cost[-1] < 18  # eight deviations out: 46 bits by the normal distribution
    assert np.array_equal(cost, cost[::-1])


def test_tables_survive_being_stored():
    made = [tables.normal_table(0.5), tables.Table(-1, tables.integer_frequencies([0.2, 0.3, 0.5]))]
    again = tables.from_tensors(tables.to_tensors(made))
    for one, other in zip(made, again, strict=True):
        assert one.lowest == other.lowest
        assert np.array_equal(one.frequencies, other.frequencies)
