"""What `yoto sweep` measures of a style model: what each of its sliders does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yoto.cli import checks
from yoto.cli.output import bar, note, print_json, table

if TYPE_CHECKING:
    from yoto.bundle import Header
    from yoto.cli.sweep import Asked
    from yoto.recipe import Recipe


def sweep(header: Header, recipe: Recipe, folder: Path, asked: Asked) -> None:
    """Measure what the sliders of a style model do, and write and print what came of it.

    Raises:
        UsageError: If something was asked for that sliders have no use for.
    """
    for option, value in (("--grid", asked.grid), ("--seed", asked.seed), ("--scores", asked.scores or None)):
        if value is not None:
            raise checks.UsageError(f"{option} does not apply to a style model, whose sliders are measured")

    from yoto.data.photographs import photographs_of

    chosen = photographs_of(recipe.options.get("data"), asked.split, any_folder=True)[: asked.limit]

    import torch

    from yoto.apps.style import Bank, report
    from yoto.apps.style.sliders import evaluate
    from yoto.training.machine import describe_machine

    facts = {"model": recipe.name, "split": asked.split, "machine": describe_machine(torch.device("cpu"))}
    result = evaluate(Bank(header), chosen, info=facts, progress=bar())
    found = report.summary(result)
    written = report.write_report(result, found, folder)
    if asked.as_json:
        print_json(found)
        return
    rows = [[name, each["spearman"], each["moved"]] for name, each in found["sliders"].items()]
    print(table(["slider", "Spearman with its own loss", "pixels moved"], rows))
    note(f"{folder}: {', '.join(path.name for path in written)}")
