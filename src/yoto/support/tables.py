"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool] = (), rule: bool = False
) -> str:
    """Columns two spaces apart.

    Args:
        titles: One per column.
        rows: The cells below them.
        right: Whether a column stands at the right, for each; none by default.
        rule: Whether dashes part the titles from the rows.
    """
    cells = [titles, *rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(titles))]
    places = [str.rjust if at_right else str.ljust for at_right in right or [False] * len(titles)]
    lines = [
        "  ".join(place(text, width) for place, text, width in zip(places, row, widths, strict=True)).rstrip()
        for row in cells
    ]
    if rule:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
