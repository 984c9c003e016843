"""`yoto sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yoto.cli import checks, tasks
from yoto.cli.options import DataFolder, Force, Json, ModelArgument, TaskName
from yoto.cli.output import bar, note, print_json, table

if TYPE_CHECKING:
    from yoto.bundle import Header
    from yoto.curves import TradeoffCurve
    from yoto.recipe import Recipe

SPLITS = ("train", "validation", "test")


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
    split: Annotated[str, typer.Option("--split", metavar="|".join(SPLITS), help="Which part of the data.")] = "test",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="The first N examples only.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="S", help="Of the model's noise.")] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Numbers of the whole network too, such as disentanglement.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for CSV, JSON and PNG [default: RUN/sweep]."),
    ] = None,
    task: TaskName = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Measure a model along its range of λ.

    Every loss term and metric of the recipe's task, at each point. A codec is measured by the files that it writes,
    beside JPEG, WebP and AVIF, on the pictures in DIR or those that come with the package; a style model by its
    sliders.

    \b
    yoto sweep runs/vae/digits
    yoto sweep vae/fashion-mnist --grid 25 -o sweep
    yoto sweep compression/photo --data pictures -o rate-distortion
    """
    from yoto import bundle

    header = bundle.read_header(model)
    recipe = recipe_of(header)
    if data is not None:
        recipe = recipe.replace({"options.data": data})
    tasks.check(task)
    checks.choice(split, SPLITS, "--split")
    folder = output or (Path(model) if Path(model).is_dir() else Path(header.path.stem)) / "sweep"
    checks.output_folder(folder, force=force)
    if header.task == "compression" and header.conditioning is not None:
        rate_distortion(header, recipe, folder, grid=grid, split=split, limit=limit, as_json=as_json)
        return

    if header.task == "style" and header.conditioning is not None:
        for option, value in (("--grid", grid), ("--seed", seed), ("--scores", scores or None)):
            if value is not None:
                raise checks.UsageError(f"{option} does not apply to a style model, whose sliders are measured")
        sliders(header, recipe, folder, split=split, limit=limit, as_json=as_json)
        return

    curve = measure(header, recipe, grid=grid, split=split, limit=limit, seed=seed, task_name=task, scores=scores)
    from yoto.report.report import report_sweep

    written = report_sweep(curve, folder)
    if as_json:
        print_json(curve.to_dict())
        return
    columns = {f"at {name}": [point[name] for point in curve.points] for name in curve.parameters}
    columns |= {name: list(curve.series(name)) for name in (*curve.terms, "loss", *curve.metrics)}
    print(table(list(columns), list(zip(*columns.values(), strict=True))))
    note(f"{folder}: {', '.join(path.name for path in written)}")


def rate_distortion(
    header: Header, recipe: Recipe, folder: Path, *, grid: int | None, split: str, limit: int | None, as_json: bool
) -> None:
    """Measure a codec by its files, beside the classic ones, and write and print what came of it."""
    from yoto.data.photographs import photographs_of

    chosen = photographs_of(recipe.options.get("data"), split, any_folder=True)[:limit]

    import torch

    from yoto.apps import codec
    from yoto.apps.codec import report
    from yoto.apps.codec.rate_distortion import QUALITIES, evaluate
    from yoto.training.machine import describe_machine

    qualities = QUALITIES if grid is None else [100 * i / max(1, grid - 1) for i in range(grid)]
    facts = {"model": recipe.name, "split": split, "machine": describe_machine(torch.device("cpu")), **header.info}
    facts["threads"] = torch.get_num_threads()
    model = codec.load(header.path)
    result = evaluate(model, chosen, qualities=qualities, progress=bar(), info=facts)
    written = report.write(result, folder)
    if as_json:
        print_json(result.to_dict())
        return
    rates = result.rates()
    print(table(["codec", "BD-rate, %"], [[name, rate] for name, rate in rates.items()]))
    note(f"{folder}: {', '.join(path.name for path in written)}")


def sliders(header: Header, recipe: Recipe, folder: Path, *, split: str, limit: int | None, as_json: bool) -> None:
    """Measure what the sliders of a style model do, and write and print what came of it."""
    from yoto.data.photographs import photographs_of

    chosen = photographs_of(recipe.options.get("data"), split, any_folder=True)[:limit]

    import torch

    from yoto.apps.style import Bank, report
    from yoto.apps.style.sliders import evaluate
    from yoto.training.machine import describe_machine

    facts = {"model": recipe.name, "split": split, "machine": describe_machine(torch.device("cpu"))}
    result = evaluate(Bank(header), chosen, info=facts, progress=bar())
    found = report.summary(result)
    written = report.write(result, found, folder)
    if as_json:
        print_json(found)
        return
    rows = [[name, each["spearman"], each["moved"]] for name, each in found["sliders"].items()]
    print(table(["slider", "Spearman with its own loss", "pixels moved"], rows))
    note(f"{folder}: {', '.join(path.name for path in written)}")


def recipe_of(header: Header) -> Recipe:
    """The recipe that a model carries.

    Raises:
        YotoError: If the model carries none.
    """
    from yoto.errors import YotoError
    from yoto.recipe import from_dict

    if header.recipe is None:
        raise YotoError(f"{str(header.path)!r} should carry its recipe. Found none.")
    return from_dict(header.recipe)


def measure(
    header: Header,
    recipe: Recipe,
    *,
    grid: int | None,
    split: str,
    limit: int | None,
    seed: int | None,
    task_name: str | None,
    scores: bool,
) -> TradeoffCurve:
    """The trade-off curve of a model by its recipe's settings, but for those given."""
    import torch

    from yoto import bundle
    from yoto.comparison.measure import objective_of
    from yoto.curves import sweep as measure_points
    from yoto.registry import load_task

    task = tasks.make(task_name, recipe.options) or load_task(header.task, recipe.options)
    loaded = bundle.load(header.path, task=task)
    space, settings = header.space, recipe.evaluation
    listed = recipe.evaluation_points() if grid is None else None
    if header.conditioning is None:
        points = space.point(recipe.fixed)[None]
    elif listed is not None:
        points = torch.stack([space.point(point) for point in listed])
    else:
        points = space.grid(grid or settings.grid)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return measure_points(
        loaded.model.to(device),
        task,
        task.data(split),  # type: ignore[arg-type]
        points,
        space=space,
        objective=objective_of(recipe),
        batch=settings.batch,
        limit=limit or settings.limit,
        seed=settings.seed if seed is None else seed,
        scores=scores,
        info={"model": recipe.name, "task": header.task, "data": recipe.options.get("dataset", ""), "split": split},
    )
