"""`yoto sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yoto.cli import checks, tasks
from yoto.cli.opening import opened, with_data
from yoto.cli.options import DataFolder, Force, Json, Limit, ModelArgument, NoiseSeed, Split, TaskName
from yoto.cli.output import note, print_json, table
from yoto.registry import find, imported
from yoto.task import SPLITS

if TYPE_CHECKING:
    from yoto.bundle import Header
    from yoto.curves import TradeoffCurve
    from yoto.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a sweep was asked for; None: as the recipe says."""

    grid: int | None
    split: str
    limit: int | None
    seed: int | None
    scores: bool
    as_json: bool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sweep")(sweep)


def sweep(
    model: ModelArgument,
    grid: Annotated[
        int | None,
        typer.Option("--grid", metavar="N", min=1, help="Points along each free parameter [default: the recipe's]."),
    ] = None,
    data: DataFolder = None,
    split: Split = "test",
    limit: Limit = None,
    seed: NoiseSeed = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Numbers of the whole network too, such as disentanglement.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for CSV, JSON and PNG [default: RUN/sweep; of vae/shapes: shapes/sweep].",
        ),
    ] = None,
    task: TaskName = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Measure a model along its range of λ.

    Every loss term and metric of the recipe's task, at each point. An application may measure its models in a way of
    its own, on the data in DIR or those that come with the package.

    \b
    yoto sweep runs/digits
    yoto sweep vae/fashion-mnist --grid 25 -o sweep
    yoto sweep compression/photo --data pictures -o rate-distortion
    """
    from yoto import bundle
    from yoto.build import recipe_of

    header = bundle.read_header(model)
    folder = output or (Path(model) if Path(model).is_dir() else Path(header.path.stem)) / "sweep"
    asked = Asked(grid=grid, split=split, limit=limit, seed=seed, scores=scores, as_json=as_json)
    tasks.check_name(task)
    checks.choice(split, SPLITS, "--split")
    if header.recipe is None:
        curve = stored(header, asked, data) if task is None else measure_own(header, asked, task)
        checks.output_folder(folder, force=force)
        show(curve, folder, as_json)
        if task is None:
            note("the curve that the file holds; measuring anew takes your data: --task, or yoto.sweep in Python")
        return
    recipe = with_data(recipe_of(header), data)
    tasks.check_known(header.task, task, header.task_class, ("sweep", model))
    checks.output_folder(folder, force=force)
    application = find(header.task)
    if application is not None and application.sweep is not None and header.conditioning is not None:
        imported(application.sweep, "Sweep")(header, recipe, folder, asked)
        return

    show(measure(header, recipe, asked, task), folder, as_json)


def stored(header: Header, asked: Asked, data: str | None) -> TradeoffCurve:
    """The curve that a model without a recipe holds.

    Raises:
        UsageError: If it holds none, or another one was asked for.
    """
    from yoto.curves import TradeoffCurve

    advice = "give --task, or measure it in Python: yoto.sweep(yoto.load(FILE, net=…), batches, terms)"
    if header.curve is None:
        raise checks.UsageError(f"{str(header.path)!r} has no recipe to measure it by and no curve: {advice}")
    if asked != Asked(grid=None, split="test", limit=None, seed=None, scores=False, as_json=asked.as_json) or data:
        raise checks.UsageError(f"{str(header.path)!r} has no recipe to measure it by, only a finished curve: {advice}")
    return TradeoffCurve.from_dict(header.curve)


def measure_own(header: Header, asked: Asked, task_name: str) -> TradeoffCurve:
    """The trade-off curve of a model without a recipe, by a task that the user named."""
    from yoto import bundle
    from yoto.curves import sweep as measure_points
    from yoto.curves.sweep import GRID

    task = tasks.make_task(task_name, {})
    assert task is not None
    return measure_points(
        bundle.load(header.path, task=task),
        task.data(asked.split),  # type: ignore[arg-type]
        task,
        header.space.grid(asked.grid or GRID),
        limit=asked.limit,
        seed=asked.seed or 0,
        scores=asked.scores,
        info={"model": header.path.stem, "weights": bundle.sha256(header.path), "split": asked.split},
    )


def show(curve: TradeoffCurve, folder: Path, as_json: bool) -> None:
    """Write a curve's files to a folder and print it."""
    from yoto.report.report import report_sweep

    written = report_sweep(curve, folder)
    if as_json:
        print_json(curve.to_dict())
        return
    columns = {f"at {name}": [point[name] for point in curve.points] for name in curve.parameters}
    columns |= {name: list(curve.series(name)) for name in (*curve.terms, "loss", *curve.metrics)}
    print(table(list(columns), list(zip(*columns.values(), strict=True))))
    note(f"{folder}: {', '.join(path.name for path in written)}")
    for remark in curve.remarks():
        note(remark)


def measure(header: Header, recipe: Recipe, asked: Asked, task_name: str | None) -> TradeoffCurve:
    """The trade-off curve of a model by its recipe's settings, but for those given."""
    from yoto.build import build_objective, evaluation_points
    from yoto.bundle import sha256
    from yoto.curves import sweep as measure_points

    loaded, task = opened(header, recipe, task_name)
    settings = recipe.evaluation
    return measure_points(
        loaded.model,
        task.data(asked.split),  # type: ignore[arg-type]
        task,
        evaluation_points(recipe, asked.grid),
        space=header.space,
        objective=build_objective(recipe),
        batch=settings.batch,
        limit=asked.limit or settings.limit,
        seed=settings.seed if asked.seed is None else asked.seed,
        scores=asked.scores,
        info={
            "model": recipe.name,
            "weights": sha256(header.path),
            "task": header.task,
            "data": recipe.options.get("dataset", ""),
            "split": asked.split,
        },
    )
