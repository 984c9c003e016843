"""A curve as the rows of a spreadsheet, one per point, and in one line."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError
from yoto.support.directions import DIRECTIONS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence


DIRECTED = {way: f" ({way})" for way in DIRECTIONS}


def curve_rows(fields: Mapping[str, Any]) -> list[dict[str, float]]:
    """Rows of a curve's fields; a column's name tells its kind: point, weight, term, metric, error, loss and balanced.

    That of a metric ends with the way in which it is better, where that is known: `metric.accuracy (higher)`.
    """
    titles = {name: f"metric.{name}" + DIRECTED.get(fields["better"].get(name), "") for name in fields["metrics"]}
    return [
        {f"point.{name}": value for name, value in fields["points"][index].items()}
        | {f"weight.{name}": value for name, value in fields["weights"][index].items()}
        | {f"term.{name}": column[index] for name, column in fields["terms"].items()}
        | {titles[name]: column[index] for name, column in fields["metrics"].items()}
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
        metrics, better = directed(groups.get("metric", {}))
        return {
            "parameters": tuple(groups["point"]),
            "points": points,
            "weights": weights,
            "terms": groups.get("term", {}),
            "loss": groups["loss"][""],
            "balanced": groups.get("balanced", {}).get("", ()),
            "metrics": metrics,
            "better": better,
            "errors": groups.get("error", {}),
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise YotoError(f"{str(path)!r} should be a curve as CSV. Found: {error!r}.") from None


def directed(columns: Mapping[str, tuple[float, ...]]) -> tuple[dict[str, tuple[float, ...]], dict[str, str]]:
    """Metrics by name and the ways in which they are better, from columns that may end with that."""
    metrics, better = {}, {}
    for title, column in columns.items():
        way = next((way for way, end in DIRECTED.items() if title.endswith(end)), None)
        name = title if way is None else title.removesuffix(DIRECTED[way])
        metrics[name] = column
        if way is not None:
            better[name] = way
    return metrics, better


def summary(curve: Any) -> str:
    """A curve in one line: how many points there are, and from what to what everything goes."""

    def spans(columns: Mapping[str, Sequence[float]]) -> str:
        return ", ".join(f"{name} {min(column):.4g} to {max(column):.4g}" for name, column in columns.items())

    parts = [spans({name: curve.values(name) for name in curve.parameters}), *map(spans, (curve.terms, curve.metrics))]
    parts = [part for part in (*parts, spans({"loss": curve.loss})) if part]
    samples = f"; {curve.info['n']} samples" if "n" in curve.info else ""
    points = f"{len(curve)} point{'s' if len(curve) > 1 else ''}"
    return f"{type(curve).__name__}({points}, {'; '.join(parts)}{samples})"
