"""The code in README and docs runs as it stands, and the docstring examples give what they print."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if "```python" in p.read_text("utf-8"))
MODULES = [
    "yoto.space.choice",
    "yoto.space.interval",
    "yoto.space.simplex",
    "yoto.space.space",
    "yoto.conditioning.condition",
    "yoto.recipe",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_python_blocks_run_in_order(page):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_worked_example_of_the_format_is_a_real_file():
    data = (ROOT / "tests/data/codec/grey.yoto").read_bytes()
    example = (ROOT / "docs/format.md").read_text("utf-8").partition("## A worked example")[2].partition("## Models")[0]
    assert f"in {len(data)} bytes" in example
    place = 0
    for field in re.findall(r"^\| `([0-9a-f …]+)` \|", example, re.MULTILINE):
        first, _, last = field.partition("…")
        assert data[place:].startswith(bytes.fromhex(first)), field
        place += len(bytes.fromhex(first))
        if last:
            place = data.index(bytes.fromhex(last), place) + len(bytes.fromhex(last))
    assert place == len(data)
