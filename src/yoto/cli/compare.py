"""`yoto compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yoto.cli import checks, tasks
from yoto.cli.opening import with_data
from yoto.cli.options import DataFolder, Json, SettingsArgument, TaskName, recipe_names
from yoto.cli.output import note, print_json
from yoto.support import locks, memory

if TYPE_CHECKING:
    from yoto.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|RUN|MODEL",
            help="What to train: a recipe, or that of a run or model.",
            autocompletion=recipe_names,
        ),
    ],
    settings: SettingsArgument = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--fixed", metavar="NAME=V[,V…]", help="Points of the fixed models [default: the recipe's]."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", min=1, help="Seeds of every model [default: the recipe's].")
    ] = None,
    multiples: Annotated[
        str, typer.Option("--multiples", metavar="M[,M…]", help="Conditional models of M times the recipe's steps.")
    ] = "1",
    others: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="RECIPE", help="A further conditional model.", autocompletion=recipe_names),
    ] = None,
    data: DataFolder = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder [default: comparisons/RECIPE].")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="Models to train at a time.")] = 1,
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", metavar="M", min=0.0, help="Stop training cleanly after M minutes.")
    ] = None,
    task: TaskName = None,
    as_json: Json = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train anew what an earlier comparison in DIR trained.")
    ] = False,
) -> None:
    """Compare with a fixed model per point.

    Trains the recipe's conditional model and, under the same recipe, one model for each point alone; then measures
    how much worse the one model is at each point (its regret).

    DIR receives report.html, report.md, table.csv, report.json, the plots and all runs. Runs that are finished are
    kept and unfinished ones resumed, so that the command can be stopped and started again.

    \b
    yoto compare vae/digits
    yoto compare vae/fashion-mnist --fixed kl=0.5,8,128 --seeds 3
    """
    chosen = with_data(find_recipe(recipe, checks.settings(settings or [])), data)
    further = [with_data(find_recipe(name, []), data) for name in others or ()]
    tasks.check_name(task)
    tasks.check_known(chosen.task, task, tasks.of_model(recipe), ("compare", recipe))
    points = checks.lists(fixed, "--fixed") if fixed else None
    factors = checks.numbers(multiples, "--multiples")

    from yoto.comparison.plan import make_plan

    make_plan(chosen, points=points, seeds=seeds, multiples=factors, others=further)
    folder = output or checks.folder_named("comparisons", chosen.name)
    locks.check_free(folder)
    checks.output_folder(folder, force=force or (folder / "runs").is_dir())

    memory.keep_freed()
    from yoto.comparison import Stopped
    from yoto.comparison import compare as compare_models
    from yoto.report.report import comparison_text

    try:
        result = compare_models(
            chosen,
            folder,
            points=points,
            seeds=seeds,
            multiples=factors,
            others=further,
            task=tasks.make_task(task, chosen.options),
            force=force,
            jobs=jobs,
            max_minutes=max_minutes,
            note=note,
        )
    except Stopped as stopped:
        note(str(stopped))
        if stopped.signal is not None:
            raise typer.Exit(128 + stopped.signal) from None
        return
    if as_json:
        print_json(result.to_dict())
    else:
        print(comparison_text(result))
        note(f"report: {folder / 'report.html'}")


def find_recipe(name: str, changes: list[str]) -> Recipe:
    """A recipe by name or file, or that of a run or model, with changes."""
    import yaml

    from yoto import bundle
    from yoto.build import recipe_of
    from yoto.recipe import Loader, read

    if Path(name).suffix != ".safetensors":
        return read(name, changes)
    pairs = [change.partition("=") for change in changes]
    return recipe_of(bundle.read_header(name)).replace({key: yaml.load(text, Loader) for key, _, text in pairs})  # noqa: S506 - a safe one
