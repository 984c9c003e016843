"""A curve as the rows of a spreadsheet, one per point."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


def curve_rows(fields: Mapping[str, Any]) -> list[dict[str, float]]:
    """Rows of a curve's fields; a column's name tells its kind: point, weight, term, metric, error, loss
    and balanced.
    """
    return [
        {f"point.{name}": value for name, value in fields["points"][index].items()}
        | {f"weight.{name}": value for name, value in fields["weights"][index].items()}
        | {f"term.{name}": column[index] for name, column in fields["terms"].items()}
        | {f"metric.{name}": column[index] for name, column in fields["metrics"].items()}
        | {"loss": fields["loss"][index]}
        | ({"balanced": fields["balanced"][index]} if fields["balanced"] else {})
        | {f"error.{name}": column[index] for name, column in fields["errors"].items()}
        for index in range(len(fields["points"]))
    ]


def curve_fields(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields of a curve from the CSV of `curve_rows`.

    Raises:
        YotoError: If the file is missing or has other columns.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123 - takes any path
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        groups: dict[str, dict[str, tuple[float, ...]]] = {}
        for name in rows[0]:
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = tuple(row[name] for row in rows)
        points, weights = (
            tuple({name: column[index] for name, column in groups[group].items()} for index in range(len(rows)))
            for group in ("point", "weight")
        )
        return {
            "parameters": tuple(groups["point"]),
            "points": points,
            "weights": weights,
            "terms": groups.get("term", {}),
            "loss": groups["loss"][""],
            "balanced": groups.get("balanced", {}).get("", ()),
            "metrics": groups.get("metric", {}),
            "errors": groups.get("error", {}),
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise YotoError(f"{str(path)!r} should be a curve as CSV. Found: {error!r}.") from None
