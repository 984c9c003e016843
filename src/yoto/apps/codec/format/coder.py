"""Entropy coding: an asymmetric numeral system over integer tables, by constriction or in plain Python.

Both write the same bytes. A stack of 32-bit words with a 64-bit state and probabilities of 24 bits, as constriction's
`AnsCoder` (Bamler 2022, "Understanding Entropy Coding With Asymmetric Numeral Systems"; Duda 2009).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from yoto.apps.codec.format.container import Payload, Reader, varint, zigzag
from yoto.apps.codec.format.errors import damaged
from yoto.apps.codec.format.tables import PRECISION, Table

Ints = npt.NDArray[np.int64]
LARGEST = 2**30
"""Magnitude of a coded value."""


class Coder(Protocol):
    """Codes groups of symbols, each with one table. Symbols count from 0 within their table."""

    def encode(self, groups: Sequence[tuple[Table, Ints]]) -> bytes:
        """Words, little-endian, from which `decode` takes the groups in the same order."""
        ...

    def decode(self, words: bytes, groups: Sequence[tuple[Table, int]]) -> list[Ints]:
        """The symbols of each group, of which the number is known.

        Raises:
            FileError: If the words do not end where the groups do.
        """
        ...


class ConstrictionCoder:
    """The coder of the library constriction."""

    def __init__(self) -> None:
        import constriction

        self.stream: ModuleType = constriction.stream
        self.models: dict[int, tuple[Table, Any]] = {}

    def model(self, table: Table) -> Any:
        """The library's model of a table; it adds 1 to each of the weights, which then sum to 2^24 exactly."""
        known = self.models.get(id(table))
        if known is None or known[0] is not table:
            weights = (table.frequencies - 1).astype(np.float64)
            known = (table, self.stream.model.Categorical(weights, perfect=False))
            self.models[id(table)] = known
        return known[1]

    def encode(self, groups: Sequence[tuple[Table, Ints]]) -> bytes:
        """See `Coder`."""
        coder = self.stream.stack.AnsCoder()
        for table, symbols in reversed(groups):
            if len(symbols):
                coder.encode_reverse(symbols.astype(np.int32), self.model(table))
        return bytes(coder.get_compressed().astype("<u4").tobytes())

    def decode(self, words: bytes, groups: Sequence[tuple[Table, int]]) -> list[Ints]:
        """See `Coder`."""
        try:
            coder = self.stream.stack.AnsCoder(np.frombuffer(words, "<u4").astype(np.uint32))
        except ValueError:
            raise damaged("a payload does not end as one should") from None
        result = [
            coder.decode(self.model(table), count).astype(np.int64) if count else np.zeros(0, np.int64)
            for table, count in groups
        ]
        if not coder.is_empty():
            raise damaged("a payload holds more than its symbols")
        return result


class PythonCoder:
    """The same in plain Python, for platforms without constriction: about 2 million symbols per second and less."""

    def encode(self, groups: Sequence[tuple[Table, Ints]]) -> bytes:
        """See `Coder`."""
        words: list[int] = []
        state = 0
        for table, symbols in reversed(groups):
            starts, frequencies = cumulated(table)
            for symbol in reversed(symbols.tolist()):
                frequency = frequencies[symbol]
                if state >> (64 - PRECISION) >= frequency:
                    words.append(state & 0xFFFFFFFF)
                    state >>= 32
                high, low = divmod(state, frequency)
                state = (high << PRECISION) | (starts[symbol] + low)
        while state:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        return np.array(words, "<u4").tobytes()

    def decode(self, words: bytes, groups: Sequence[tuple[Table, int]]) -> list[Ints]:
        """See `Coder`."""
        stack = np.frombuffer(words, "<u4").tolist()
        if stack and not stack[-1]:
            raise damaged("a payload does not end as one should")
        state = 0
        while stack and state < 1 << 32:
            state = state << 32 | stack.pop()
        mask = (1 << PRECISION) - 1
        result = []
        for table, count in groups:
            starts, frequencies = cumulated(table)
            symbols = []
            for _ in range(count):
                quantile = state & mask
                symbol = bisect_right(starts, quantile) - 1
                symbols.append(symbol)
                state = (state >> PRECISION) * frequencies[symbol] + quantile - starts[symbol]
                if state < 1 << 32 and stack:
                    state = state << 32 | stack.pop()
            result.append(np.array(symbols, np.int64))
        if stack or state:
            raise damaged("a payload holds more than its symbols")
        return result


def cumulated(table: Table) -> tuple[list[int], list[int]]:
    """Where each symbol's interval starts, and the frequencies, as Python's integers."""
    frequencies = table.frequencies.tolist()
    return [0, *accumulate(frequencies[:-1])], frequencies


@lru_cache(maxsize=1)
def default() -> Coder:
    """The library's where constriction is installed, plain Python elsewhere."""
    try:
        return ConstrictionCoder()
    except ImportError:
        return PythonCoder()


def encode_values(values: Ints, index: Ints, tables: Sequence[Table], coder: Coder) -> Payload:
    """Values by their tables.

    Args:
        values: [n] integers.
        index: [n] number of each value's table.
        tables: What `index` counts.
        coder: Which coder.
    """
    groups, escapes = [], bytearray()
    for number, places in grouped(index):
        table = tables[number]
        symbols = values[places] - table.lowest
        outside = (symbols < 0) | (symbols >= table.escape)
        if outside.any():
            for value in symbols[outside].tolist():
                escapes += varint(zigzag(value + table.lowest))
            symbols = np.where(outside, table.escape, symbols)
        groups.append((table, symbols))
    return Payload(coder.encode(groups), bytes(escapes))


def decode_values(payload: Payload, index: Ints, tables: Sequence[Table], coder: Coder) -> Ints:
    """Inverse of `encode_values`.

    Raises:
        FileError: If the payload does not fit the tables.
    """
    order = grouped(index)
    if any(number >= len(tables) for number, _ in order):
        raise damaged("it asks for a table that the model lacks")
    decoded = coder.decode(payload.words, [(tables[number], len(places)) for number, places in order])
    values, reader = np.empty(len(index), np.int64), Reader(payload.escapes)
    for (number, places), symbols in zip(order, decoded, strict=True):
        table = tables[number]
        found = symbols + table.lowest
        for place in np.flatnonzero(symbols == table.escape).tolist():
            coded = reader.number("escaped value")
            found[place] = coded // 2 if coded % 2 == 0 else -(coded + 1) // 2
            if table.lowest <= found[place] < table.lowest + table.escape:
                raise damaged("it escapes a value that its table has")
        values[places] = found
    if reader.left:
        raise damaged("it holds more escaped values than its symbols have")
    if len(values) and int(np.abs(values).max()) > LARGEST:
        raise damaged("an escaped value is out of range")
    return values


def least_bits(tables: Sequence[Table], count: int) -> float:
    """Bits that `count` symbols take at least, whatever they are: nothing codes for less than its cheapest symbol."""
    likeliest = max(int(table.frequencies.max()) for table in tables)
    return -count * math.log2(likeliest / 2**PRECISION)


def grouped(index: Ints) -> list[tuple[int, Ints]]:
    """Each number in `index` [n], in rising order, with the places where it stands."""
    if not len(index):
        return []
    small = index.astype(np.uint8 if index.max() < 256 else np.uint16)
    order = np.argsort(small, kind="stable")  # of small integers: by radix
    counts = np.bincount(small)
    parts = np.split(order, np.cumsum(counts)[:-1])
    return [(number, part) for number, part in enumerate(parts) if len(part)]
