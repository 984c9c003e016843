"""The fields of a curve as they are given, by hand or in a file: brought to tuples of floats, and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError
from yoto.space.space import WHOLE
from yoto.support.directions import check_direction

if TYPE_CHECKING:
    import os

SAME_DATA = ("task", "data", "split", "n")
"""Entries of `info` that two curves must share before their losses may be compared."""
GROUPS = ("terms", "metrics", "errors")
"""Fields that hold columns by name."""


def filled(curve: Any) -> dict[str, Any]:
    """The fields of a curve with columns as tuples of floats, and what was left out.

    Raises:
        YotoError: If a column has another length than there are points, or holds anything but finite numbers.
    """
    check_fields(curve)
    points = tuple(numbers_by_name("points", point) for point in curve.points)
    result: dict[str, Any] = {
        "points": points,
        "parameters": tuple(curve.parameters) or (tuple(points[0]) if points else ()),
        "weights": tuple(numbers_by_name("weights", weight) for weight in curve.weights) or points,
        "loss": column("loss", curve.loss),
        "balanced": column("balanced", curve.balanced),
    }
    for group in GROUPS:
        result[group] = {name: column(f"{group}[{name!r}]", values) for name, values in getattr(curve, group).items()}
    every = {f"{group}[{name!r}]": values for group in GROUPS for name, values in result[group].items()}
    every |= {"loss": result["loss"], "weights": result["weights"]}
    every |= {"balanced": result["balanced"]} if result["balanced"] else {}
    wrong = {name: len(values) for name, values in every.items() if len(values) != len(points)}
    if not points or wrong:
        raise YotoError(
            "A curve should have at least one point, and each term, metric and error one value for each. "
            f"Found {len(points)} points" + (f" and {wrong}." if wrong else ".")
        )
    if any(set(point) != set(result["parameters"]) for point in points):
        raise YotoError(f"Each point should give {list(result['parameters'])}. Found {list(points)}.")
    if WHOLE in {**result["terms"], **result["metrics"]}:
        raise YotoError(f"A term or metric of a curve should not be called {WHOLE!r}, as the whole loss is.")
    for name, better in curve.better.items():
        check_direction(repr(name), better)
        if better != "lower" and name in {WHOLE, *result["terms"]}:
            raise YotoError(f"A loss term should be better lower, as every loss is. Found {name!r} as {better!r}.")
    return result


def check_fields(curve: Any) -> None:
    """Refuse fields of another kind than a curve has, such as those of a damaged file."""
    for name in ("points", "weights", "parameters"):
        found = getattr(curve, name)
        if not isinstance(found, Iterable) or isinstance(found, str | Mapping):
            raise YotoError(f"`{name}` of a curve should be a sequence. Found {type(found).__name__}.")
    for name in (*GROUPS, "better", "info"):
        found = getattr(curve, name)
        if not hasattr(found, "items"):
            what = "columns" if name in GROUPS else "values"
            raise YotoError(f"`{name}` of a curve should map names to {what}. Found {type(found).__name__}.")


def column(name: str, values: Any) -> tuple[float, ...]:
    """A column as a tuple of floats."""
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError, RuntimeError):
        raise YotoError(f"`{name}` of a curve should be a sequence of numbers. Found {values!r}.") from None
    if not all(map(math.isfinite, found)):
        raise YotoError(f"`{name}` of a curve should hold finite numbers. Found {found}.")
    return found


def numbers_by_name(name: str, values: Any) -> dict[str, float]:
    """A point or its weights as a dict of floats."""
    try:
        return {key: float(value) for key, value in values.items()}
    except (AttributeError, TypeError, ValueError):
        raise YotoError(f"Each of `{name}` of a curve should map names to numbers. Found {values!r}.") from None


def from_mapping(values: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields `names` of a curve out of the mapping that `TradeoffCurve.to_dict` gave.

    Raises:
        YotoError: If it is something else, or lacks a field that every version has.
    """
    if not isinstance(values, Mapping) or (values.get("format"), values.get("version")) != ("yoto-curve", 1):
        raise YotoError("A curve should be a JSON object with the format 'yoto-curve', version 1.")
    later: dict[str, Any] = {"balanced": (), "better": {}}
    missing = [name for name in names if name not in values and name not in later]
    if missing:
        raise YotoError(f"A curve should have every field of its format. Found none of {', '.join(missing)}.")
    return {name: values.get(name, later.get(name)) for name in names}


def json_text(values: Mapping[str, Any]) -> str:
    """The text of a curve's file.

    Raises:
        YotoError: If `info` holds what JSON does not; columns are finite numbers.
    """
    try:
        return json.dumps(values, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise YotoError(f"`info` of a curve should hold what JSON can. Found: {error}.") from None


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A file's JSON object, {} where it holds another value.

    Raises:
        YotoError: If the file is missing or damaged.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise YotoError(f"{str(path)!r} should be a curve as JSON. Found: {error}.") from None
    return values if isinstance(values, dict) else {}


def check_same_data(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse to compare curves whose `info` says that they come from different data or noise.

    Raises:
        YotoError: Naming the first entry that differs; one that either lacks is not compared.
    """
    for key in SAME_DATA:
        if key in one and key in other and one[key] != other[key]:
            raise YotoError(
                f"Curves should come from the same data before they are compared. Found {key!r} "
                f"{one[key]!r} and {other[key]!r}. Sweep both with the same settings."
            )
