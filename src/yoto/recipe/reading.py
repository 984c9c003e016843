"""Reading recipes: YAML files, those of the package and of applications, with `key=value` changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from yoto import registry
from yoto.errors import YotoError, near_misses
from yoto.recipe.whole import Recipe, assign, from_dict
from yoto.support.extras import needed

with needed("A recipe"):
    import yaml


MERGE = "tag:yaml.org,2002:merge"


class Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number and a key stands once, as in YAML 1.2."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; of a section that stands twice, the former would be lost without a word."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)$"),
    list("-+0123456789."),
)


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, and with installed applications, by name as `yoto train` takes it."""
    root = Path(str(files("yoto") / "recipes"))
    folders = {path.name: path for path in root.iterdir() if path.is_dir()} | registry.folders("recipes")
    return {
        f"{name}/{file.stem}": file for name, path in sorted(folders.items()) for file in sorted(path.glob("*.yaml"))
    }


def locate(name_or_path: str | Path) -> Path:
    """The file of a recipe: an existing file (or a run folder's `recipe.yaml`), or a name of `shipped()`."""
    path = Path(name_or_path)
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return path / "recipe.yaml"
    if path.is_file():
        return path
    known = shipped()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    raise YotoError(
        f"A recipe should be a file, a run folder or one of {', '.join(known)}. Found {str(name_or_path)!r}."
        f"{near_misses(str(name_or_path), tuple(known))}"
    )


def read(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by name or file, with `key=value` changes (dotted keys; a task's option also by its bare name).

    Raises:
        YotoError: For an unknown name or key, a value of the wrong type or out of range, or unreadable YAML.

    >>> read("vae/fashion-mnist", ["training.lr=0.02", "options.width=2"]).training.lr
    0.02
    """
    source = locate(name_or_path)
    try:
        data = yaml.load(source.read_text("utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise YotoError(
            f"{str(name_or_path)!r} should be a YAML file. Found: {' '.join(str(error).split())}."
        ) from None
    if not isinstance(data, dict):
        raise YotoError(f"{str(name_or_path)!r} should hold a mapping of recipe keys. Found {type(data).__name__}.")
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise YotoError(f"A change to the recipe should read key=value. Found {override!r}.")
        try:
            value = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
        except yaml.YAMLError:
            value = text
        assign(data, key, value, str(data.get("task", "")))
    return from_dict(data)
