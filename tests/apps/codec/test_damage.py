"""Damaged files: every one is refused in one line with exit code 2, or decodes to the same picture."""

import io
import random
import resource
import struct
import sys
import time
import zlib

import numpy as np
import pytest

from apps.codec.golden import DATA, opened
from yoto import cli
from yoto.apps.codec.format import container

FILES = ("rgb", "grey", "tiles")
LONGEST = 10.0
"""Seconds."""
MEMORY = 2**30


def resealed(body):
    """With a checksum that fits, as an attacker would write it."""
    return body + struct.pack("<I", zlib.crc32(body))


def flipped(data, rng):
    bad = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    return bytes(bad)


def claimed(data, rng):
    """Another size, with a right checksum."""
    contents = container.parse(data)
    head = len(container.FIXED.pack(b"", 0, 0, b"", 0, 0))
    size = len(container.varint(contents.header.width) + container.varint(contents.header.height))
    width, height = (rng.choice([1, 64, 300, 4096, 16384, 16385, 2**28, 2**34]) for _ in range(2))
    return resealed(data[:head] + container.varint(width) + container.varint(height) + data[head + size : -4])


def inserted(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + rng.randbytes(rng.randrange(1, 40)) + data[place:]


def dropped(data, rng):
    place = rng.randrange(len(data) - 9)
    return data[:place] + data[place + rng.randrange(1, 9) :]


def zeroed(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + bytes(min(30, len(data) - place)) + data[place + 30 :]


def foreign(data, rng):
    head = data[:24] + rng.randbytes(200)
    others = (DATA / "rgb.png").read_bytes(), (DATA / "tiny.safetensors").read_bytes()[:5000]
    return rng.choice([b"", rng.randbytes(500), *others, container.MAGIC, head, resealed(head), bytes(1000)])


KINDS = {
    "flip": flipped,
    "flip, resealed": lambda data, rng: resealed(flipped(data[:-4], rng)),
    "cut": lambda data, rng: data[: rng.randrange(len(data))],
    "cut, resealed": lambda data, rng: resealed(data[: rng.randrange(len(data) - 4)]),
    "insert": inserted,
    "drop": dropped,
    "zeros": zeroed,
    "other file": foreign,
    "size": claimed,
    "level, resealed": lambda data, rng: resealed(data[:14] + bytes([rng.randrange(256)]) + data[15:-4]),
}


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_files_are_refused_or_decode_equal(count, here, tmp_path, monkeypatch):
    rng = random.Random(0)
    files = {name: (DATA / f"{name}.yoto").read_bytes() for name in FILES}
    pictures = {name: np.asarray(opened(DATA / f"{name}.png")).astype(int) for name in FILES}
    source, target = tmp_path / "bad.yoto", tmp_path / "bad.png"
    kinds = list(KINDS)
    cli.run(["decompress", str(DATA / "rgb.yoto"), "-o", str(target)])
    target.unlink()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    refused = 0
    for number in range(count):
        name, kind = FILES[number % len(FILES)], kinds[number // len(FILES) % len(kinds)]
        source.write_bytes(KINDS[kind](files[name], rng))
        errors = io.StringIO()
        monkeypatch.setattr(sys, "stderr", errors)
        begin = time.monotonic()
        code = cli.run(["decompress", str(source), "-o", str(target), "--force"])
        monkeypatch.undo()
        monkeypatch.setenv("YOTO_MODELS", str(DATA))
        told = f"{number}: {kind} of {name}: {errors.getvalue()}"
        assert time.monotonic() - begin < LONGEST, told
        if code == 0:
            with_now = np.asarray(opened(target)).astype(int)
            assert with_now.shape == pictures[name].shape, told
            assert abs(with_now - pictures[name]).max() <= 1, told
            target.unlink()
        else:
            refused += 1
            lines = [line for line in errors.getvalue().splitlines() if line.strip()]
            assert code == 2, told
            assert len(lines) == 1, told
            assert not target.exists(), told
    assert refused > 0.9 * count
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MEMORY
