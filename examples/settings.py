"""How settings of the domain examples are chosen: tried by `--set`, compared on validation data, kept in a table."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Callable, Sequence
from statistics import fmean
from types import ModuleType
from typing import Any, TypeAlias

from yoto.curves.regret import geometric_mean
from yoto.drawing.tables import markdown
from yoto.errors import YotoError
from yoto.support.files import write_atomic

Experiment: TypeAlias = Callable[..., dict[str, Any]]
"""`(seed, smoke, validation=False)`, see `common.launch`."""


def change(module: ModuleType, settings: Sequence[str]) -> None:
    """Give constants of a module other values, from "NAME=VALUE".

    Raises:
        YotoError: If the module has no such constant, or the value cannot be read.
    """
    for setting in settings:
        name, _, value = setting.partition("=")
        if not (name.isupper() and hasattr(module, name)):
            constants = ", ".join(each for each in vars(module) if each.isupper())
            raise YotoError(f"--set should name one of {constants}. Found {name!r}.")
        try:
            setattr(module, name, ast.literal_eval(value))
        except (ValueError, SyntaxError):
            raise YotoError(f"--set {name} should have a Python literal, such as 0.01. Found {value!r}.") from None


def table_of(record: dict[str, dict[str, Any]]) -> str:
    """Losses by geometric mean over data sets, λ and seeds, and metrics by mean, separate networks' first."""
    rows, metrics = [], next(iter(next(iter(record.values())).values()))[0]["metrics"]
    for settings, seeds in record.items():
        columns = [each["columns"] for sets in seeds.values() for each in sets]
        separate, one = (geometric_mean([x for each in columns for x in each["loss"][at]]) for at in (1, 0))
        means = [fmean(x for each in columns for x in each[name][at]) for name in metrics for at in (1, 0)]
        shown = [f"{separate:.4g}", f"{one:.4g}", f"{one / separate:.3f}", *(f"{mean:.4f}" for mean in means)]
        rows.append([settings, str(len(seeds)), *shown])
    titles = [f"{name}, {kind}" for name in metrics for kind in ("separate", "one")]
    return markdown(["settings", "seeds", "loss, separate networks", "loss, one network", "ratio", *titles], rows)


def choose(name: str, experiment: Experiment, options: argparse.Namespace) -> str:
    """Add a line to the table of settings in OUT/settings/NAME.md: losses on validation data, by geometric mean."""
    path = options.out / "settings" / f"{name}{'-smoke' if options.smoke else ''}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    change(sys.modules[experiment.__module__], options.set)
    seeds = record.setdefault(" ".join(options.set) or "as they stand", {})
    for seed in range(options.seeds):
        if str(seed) not in seeds or options.again:
            found = experiment(seed, options.smoke, validation=True)
            sets = found.get("sets", {name: found}).values()
            seeds[str(seed)] = [{key: each[key] for key in ("columns", "metrics")} for each in sets]
            write_atomic(path, json.dumps(record, indent=1) + "\n")
    table = table_of(record)
    made = f"`python examples/{name}.py --validation --set …`; validation data, geometric means over λ and seeds."
    write_atomic(path.with_suffix(".md"), f"# Settings of {name}\n\n{table}\n\n{made}\n")
    return table
