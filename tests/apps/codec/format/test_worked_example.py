"""The worked example of docs/format.md is the file that it says it is."""

import re
import zlib
from pathlib import Path

import pytest

from yoto import cli
from yoto.apps.codec.format import container

PAGE = (Path(__file__).parents[4] / "docs/format.md").read_text("utf-8")
SECTION = PAGE.partition("## A worked example")[2].partition("\n## ")[0]
ROWS = [
    (text, field.strip(), value.strip())
    for text, field, value in re.findall(r"^\| `([0-9a-f …]+)` \| ([^|]+) \|([^|]*)\|$", SECTION, re.MULTILINE)
]
FILE = re.search(r"`(tests/data/codec/\S+\.yoto)`", SECTION)[1]


@pytest.fixture(scope="module")
def data():
    return (Path(__file__).parents[4] / FILE).read_bytes()


def test_its_bytes_are_those_of_the_file(data):
    place, found = 0, {}
    for text, field, value in ROWS:
        first, _, last = text.partition("…")
        start = bytes.fromhex(first)
        assert data[place:].startswith(start), field
        length = len(start)
        if last:
            length = int(re.match(r"(\d+) bytes", value)[1])
            assert data[place : place + length].endswith(bytes.fromhex(last)), field
        found[field] = data[place : place + length]
        place += length
    assert place == len(data) == int(re.search(r"in (\d+) bytes", SECTION)[1])
    assert len(data) - 4 == int(re.search(r"of the (\d+) bytes before", SECTION)[1])
    assert found["magic"] == container.MAGIC


def test_what_it_says_of_them_is_what_a_parser_finds(data):
    contents = container.parse(data)
    header, told = contents.header, {field: value for _, field, value in ROWS}
    assert told["version"] == str(container.VERSION) == re.search(r"file, version (\d+)", PAGE)[1]
    assert told["flags"] == "greyscale"
    assert header.grey
    assert told["level"] == f"{header.level}: quality {header.quality:g}"
    assert (header.width, header.height) == (int(told["width"]), int(told["height"]))
    assert f"{header.width}×{header.height} pixels" in SECTION
    assert told["tile"].endswith(f"= {header.tile} pixels")
    for field, payload in (("hyper-latents", contents.hyper), ("tile 1 of 1", contents.tiles[0])):
        assert told[f"payload lengths, {field}"] == f"{len(payload.words) // 4} words, no escapes"
        assert payload.escapes == b""
    assert told["symbols"].endswith(f"0x{contents.symbols:08X}")


def test_version_1_is_refused_in_one_line(data, tmp_path, capsys):
    old = tmp_path / "old.yoto"
    body = data[:4] + b"\x01" + data[5:-4]
    old.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
    assert cli.run(["decompress", str(old), "-o", str(tmp_path / "x.png")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "version 1" in line
    assert "reads version 2" in line
