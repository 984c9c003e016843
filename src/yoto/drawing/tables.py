"""Numbers as text: CSV files and tables of aligned columns."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from yoto.curves.curve import TradeoffCurve


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV with a header; a column that a row lacks, or None, stays empty. Numbers keep every digit."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def curve_rows(curve: TradeoffCurve) -> list[dict[str, float]]:
    """One row per point; a column's name tells its kind: point, weight, term, metric, error, and loss."""
    return [
        {f"point.{name}": value for name, value in curve.points[index].items()}
        | {f"weight.{name}": value for name, value in curve.weights[index].items()}
        | {f"term.{name}": column[index] for name, column in curve.terms.items()}
        | {f"metric.{name}": column[index] for name, column in curve.metrics.items()}
        | {"loss": curve.loss[index]}
        | {f"error.{name}": column[index] for name, column in curve.errors.items()}
        for index in range(len(curve))
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
            "metrics": groups.get("metric", {}),
            "errors": groups.get("error", {}),
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise YotoError(f"{str(path)!r} should be a curve as CSV. Found: {error!r}.") from None


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, the first to the left, all others to the right."""
    cells = [list(titles), *[list(row) for row in rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(titles))]
    lines = [
        "  ".join(
            text.ljust(width) if index == 0 else text.rjust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left, all others to the right."""
    rule = ["---", *["---:"] * (len(titles) - 1)]
    lines = [titles, rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def point_label(point: Mapping[str, float], symbols: Mapping[str, str] | None = None) -> str:
    """A point for people, such as "β = 0.5", "content = 1, style = 20" or, of named alternatives, "waves"."""
    parts = []
    for name, value in point.items():
        option = name.partition(":")[2]
        if not option:
            parts.append(f"{(symbols or {}).get(name, name)} = {value:.4g}")
        elif value:
            parts.append(option if value == 1 else f"{option} = {value:.4g}")
    return ", ".join(parts)
