"""Entropy coding: both coders write the same bytes, lose nothing and notice damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoto.apps.codec.format import tables
from yoto.apps.codec.format.coder import (
    ConstrictionCoder,
    PythonCoder,
    decode_values,
    default,
    encode_values,
    grouped,
    least_bits,
)
from yoto.apps.codec.format.container import Payload
from yoto.apps.codec.format.errors import FileError

TABLES = [*tables.normal_tables(), tables.Table(-3, tables.integer_frequencies([0.1, 0.0, 0.7, 0.2]))]
CODERS = {"constriction": ConstrictionCoder(), "python": PythonCoder()}


@pytest.fixture(params=CODERS, scope="module")
def coder(request):
    return CODERS[request.param]


def example(seed, count):
    """Values as their tables expect them, with some far outside."""
    rng = np.random.default_rng(seed)
    index = rng.integers(0, len(TABLES), count)
    scale = np.array([*tables.scales(), 2.0])[index]
    values = np.round(rng.standard_normal(count) * scale).astype(np.int64)
    far = rng.random(count) < 0.01
    return np.where(far, rng.integers(-(2**20), 2**20, count), values), index


@given(st.integers(0, 10**6), st.integers(0, 400))
def test_the_coders_write_the_same_bytes_and_lose_nothing(seed, count):
    values, index = example(seed, count)
    payloads = [encode_values(values, index, TABLES, coder) for coder in CODERS.values()]
    assert payloads[0] == payloads[1]
    for coder in CODERS.values():
        assert np.array_equal(decode_values(payloads[0], index, TABLES, coder), values)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=60), st.integers(0, 10**6))
def test_any_table_is_coded_exactly(weights, seed):
    table = tables.Table(0, tables.integer_frequencies(weights))
    symbols = np.random.default_rng(seed).integers(0, len(table.frequencies), 200)
    words = [coder.encode([(table, symbols)]) for coder in CODERS.values()]
    assert words[0] == words[1]
    for coder in CODERS.values():
        assert np.array_equal(coder.decode(words[0], [(table, 200)])[0], symbols)


def test_the_length_is_the_information(coder):
    rng = np.random.default_rng(0)
    table = TABLES[40]
    values = np.round(rng.standard_normal(20_000) * tables.scales()[40]).astype(np.int64)
    payload = encode_values(values, np.full(20_000, 40), TABLES, coder)
    ideal = -np.log2(table.frequencies[values - table.lowest] / 2**24).sum()
    assert 8 * len(payload) == pytest.approx(ideal, abs=96)


def test_nothing_takes_no_bytes(coder):
    payload = encode_values(np.zeros(0, np.int64), np.zeros(0, np.int64), TABLES, coder)
    assert len(payload) == 0
    assert len(decode_values(payload, np.zeros(0, np.int64), TABLES, coder)) == 0


def test_groups_are_in_rising_order():
    index = np.array([300, 2, 300, 0, 2, 2])
    assert [(number, places.tolist()) for number, places in grouped(index)] == [(0, [3]), (2, [1, 4, 5]), (300, [0, 2])]


@pytest.mark.parametrize("change", ["shorter", "longer", "zero", "more escapes", "fewer escapes", "bad escape"])
def test_damage_is_noticed(coder, change):
    values, index = example(1, 2000)
    good = encode_values(values, index, TABLES, coder)
    words, escapes = good.words, good.escapes
    assert escapes
    bad = {
        "shorter": Payload(words[:-4], escapes),
        "longer": Payload(words + b"\x01\0\0\0", escapes),
        "zero": Payload(words + b"\0\0\0\0", escapes),
        "more escapes": Payload(words, escapes + b"\x05"),
        "fewer escapes": Payload(words, escapes[:-1]),
        "bad escape": Payload(words, b"\xff" * 6 + escapes),
    }[change]
    with pytest.raises(FileError, match="damaged"):
        decode_values(bad, index, TABLES, coder)


def test_an_escape_for_a_value_of_the_table_is_damage(coder):
    table = TABLES[10]
    words = coder.encode([(table, np.array([table.escape]))])
    with pytest.raises(FileError, match="escapes a value"):
        decode_values(Payload(words, b"\x00"), np.array([10]), TABLES, coder)


def test_no_message_is_shorter_than_the_least(coder):
    index = np.full(5000, 20)
    payload = encode_values(np.zeros(5000, np.int64), index, TABLES, coder)
    assert 8 * len(payload) + 32 >= least_bits([TABLES[20]], 5000) > 0


def test_a_table_that_is_not_there_is_damage(coder):
    with pytest.raises(FileError, match="table"):
        decode_values(Payload(b"", b""), np.array([200]), TABLES, coder)


def test_constriction_is_preferred(monkeypatch):
    import sys

    default.cache_clear()
    assert isinstance(default(), ConstrictionCoder)
    default.cache_clear()
    monkeypatch.setitem(sys.modules, "constriction", None)
    assert isinstance(default(), PythonCoder)
    default.cache_clear()
