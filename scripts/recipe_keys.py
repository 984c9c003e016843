"""Write docs/recipes.md: every key of a recipe with its type, default and meaning, from the schema itself."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from yoto.recipe import Recipe

OUTPUT = Path(__file__).parents[1] / "docs" / "recipes.md"
INTRODUCTION = """# Recipe keys

Every key of a recipe, made from the schema that checks it: `python scripts/recipe_keys.py`. A key is changed on the
command line by its dotted name, `yoto train vae/digits training.steps=500`. `yoto.recipe.read(name).dump()` shows a
recipe with all defaults filled in.
"""
TYPES = {"NoneType": "null", "str": "text", "int": "whole number", "float": "number", "bool": "true or false"}


def type_name(kind: Any) -> str:
    """A type in words that a reader of YAML knows."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return "anything"
    if origin is typing.Annotated:
        return type_name(inside[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin is list:
        return f"list of {type_name(inside[0])}".replace("number", "numbers").replace("of text", "of texts")
    if origin is dict:
        return f"{type_name(inside[1])} by name"
    if inside:
        return " or ".join(dict.fromkeys(type_name(each) for each in inside))
    name = getattr(kind, "__name__", str(kind))
    return TYPES.get(name, name)


def default_text(default: Any) -> str:
    """A default as YAML has it."""
    return "needed" if default is PydanticUndefined else f"`{json.dumps(default, ensure_ascii=False)}`"


def table(model: type[BaseModel]) -> list[str]:
    """The keys of a section that are no sections themselves."""
    hints = typing.get_type_hints(model, include_extras=True)
    rows = ["| key | what it may be | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in model.model_fields.items():
        if not is_section(field.annotation):
            kind, meaning = type_name(hints[key]), " ".join((field.description or "").split())
            rows.append(" | ".join([f"| `{key}`", kind, default_text(field.default), f"{meaning} |"]))
    return rows


def is_section(kind: Any) -> bool:
    """Whether a key holds a section."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION, "## The recipe itself", "", *table(Recipe)]
    for key, field in Recipe.model_fields.items():
        if is_section(field.annotation):
            section = typing.cast("type[BaseModel]", field.annotation)
            said = re.sub(r"\n {4}", "\n", (section.__doc__ or "").strip())
            lines += ["", f"## `{key}:`", "", said, "", *table(section)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(page(), "utf-8")
    print(OUTPUT)
