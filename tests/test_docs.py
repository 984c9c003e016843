"""The code in README and docs runs as it stands, and the docstring examples give what they print."""

import doctest
import importlib
import re
import runpy
from pathlib import Path

import pytest

from yoto.recipe import Recipe

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "yoto"
PAGES = sorted(p for p in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if "```python" in p.read_text("utf-8"))
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
FACES = ("yoto", "yoto.codec", "yoto.stylize")
PUBLIC = [(face, name) for face in FACES for name in importlib.import_module(face).__all__ if name != "__version__"]


TRAINERS = ("transformers", "accelerate", "skorch")


@pytest.mark.filterwarnings("ignore:::(torch|transformers|accelerate|skorch)[.]")  # of what trainers do with torch
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_python_blocks_run_in_order(page):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        try:
            exec(compile(block, str(page), "exec"), names)
        except ModuleNotFoundError as error:
            if error.name not in TRAINERS:
                raise


def test_excerpts_of_examples_stand_in_them():
    text = (ROOT / "docs/trainers.md").read_text("utf-8")
    examples = "".join(path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.py")))
    excerpts = re.findall(
        r"examples/(?:ddp|lightning_module)\.py\).*?^```py\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    assert len(excerpts) == 2
    for line in "".join(excerpts).splitlines():
        assert line in examples.splitlines(), line


def test_the_table_of_recipe_keys_is_that_of_the_schema():
    keys = runpy.run_path(str(ROOT / "scripts" / "recipe_keys.py"))
    assert keys["page"]() == (ROOT / "docs/recipes.md").read_text("utf-8")
    sections = [
        Recipe,
        *(field.annotation for field in Recipe.model_fields.values() if keys["is_section"](field.annotation)),
    ]
    for section in sections:
        for key, field in section.model_fields.items():
            assert field.description or keys["is_section"](field.annotation), key


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(("face", "name"), PUBLIC)
def test_every_public_name_has_an_example_that_prints_a_number(face, name):
    described = getattr(importlib.import_module(face), name)
    examples = doctest.DocTestParser().get_examples(described.__doc__ or "")
    run = [example for example in examples if doctest.SKIP not in example.options]
    assert any(re.search(r"\d", example.want) for example in run)


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
