"""`yoto line`."""

from typing import Annotated

import typer

from yoto.cli import checks


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("line")(line)


def line(
    values: Annotated[str, typer.Argument(help="Eight numbers with commas.")],
    roughness: Annotated[float, typer.Option("--roughness", help="Weight of the roughness.")] = 0.1,
) -> None:
    """Smooth the points of a line."""
    numbers = checks.numbers(values, "VALUES")

    from yoto_lines.page import smoothed

    print(",".join(f"{value:.4f}" for value in smoothed(numbers, roughness)))
