"""`yoto select`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yoto.cli import checks, polishing, tasks
from yoto.cli.opening import checked_output, opened, opened_own, with_data
from yoto.cli.options import (
    DataFolder,
    Force,
    Json,
    Limit,
    ModelArgument,
    NoiseSeed,
    Split,
    TaskName,
)
from yoto.cli.output import note, print_json, table
from yoto.errors import YotoError
from yoto.task import SPLITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yoto.bundle import Bundle, Header
    from yoto.curves import SelectedPoint
    from yoto.curves.selection.request import Request
    from yoto.recipe import Recipe
    from yoto.task import BaseTask


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How to measure; None: as the recipe says."""

    split: str
    limit: int | None
    seed: int | None
    evaluations: int | None
    seconds: float | None
    at: dict[str, float | str]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("select")(select)


def select(
    model: ModelArgument,
    minimise: Annotated[
        str | None, typer.Option("--minimise", metavar="NAME", help="A loss term, a metric or loss.")
    ] = None,
    maximise: Annotated[str | None, typer.Option("--maximise", metavar="NAME", help="The same, to be large.")] = None,
    subject_to: Annotated[
        list[str] | None,
        typer.Option("--subject-to", metavar="BOUND", help="Such as 'reconstruction<=250'; may be repeated."),
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="NAME=VALUE", help="A loss parameter that is held at a value.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="By eye: which of two pictures is the better one?")] = False,
    confidence: Annotated[
        float | None,
        typer.Option("--confidence", metavar="P", help="Bounds hold with this probability over the samples."),
    ] = None,
    data: DataFolder = None,
    split: Split = "validation",
    limit: Limit = None,
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", metavar="N", min=1, help="Measure N settings of λ at most.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", min=0, help="Search for S seconds at most.")
    ] = None,
    seed: NoiseSeed = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Weights of the plain network there (.safetensors)."),
    ] = None,
    polish: Annotated[
        int | None,
        typer.Option(
            "--polish", metavar="STEPS", min=1, help="Train the plain network on at that λ, as yoto polish does."
        ),
    ] = None,
    task: TaskName = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Choose λ by what is wanted of the losses, without training.

    One term or metric small or large, bounds on others. A request that cannot be met names the nearest point. With
    --ask two pictures at a time are written, and answers narrow λ down.

    \b
    yoto select vae/fashion-mnist --minimise kl --subject-to 'reconstruction<=250'
    yoto select compression/photo --minimise rate --subject-to 'psnr>=32' --data photos
    yoto select runs/digits --ask
    """
    from yoto import bundle
    from yoto.build import recipe_of

    wanted = None
    if not ask:
        wanted = request_of(minimise, maximise, subject_to or [], confidence)
    elif minimise or maximise or subject_to or any(each is not None for each in (confidence, evaluations, seconds)):
        raise checks.UsageError(
            "--ask chooses by eye: leave out --minimise, --maximise, --subject-to, --confidence, --evaluations and "
            "--seconds"
        )
    tasks.check_name(task)
    checks.choice(split, SPLITS, "--split")
    if output is not None:
        checked_output(output, force=force)
    header = bundle.read_header(model)
    if header.conditioning is None:
        raise checks.UsageError(f"{str(model)!r} was trained for one λ: there is nothing to choose")
    held = checks.point(at or [], "--at")
    asked = Asked(split=split, limit=limit, seed=seed, evaluations=evaluations, seconds=seconds, at=held)
    if header.recipe is None:
        without_recipe(header, model, wanted, asked, task, data, polish, output, as_json)
        return
    recipe = recipe_of(header)
    tasks.check_known(header.task, task, header.task_class, ("select", model))
    here = with_data(recipe, data)
    loaded, own = opened(header, here, task)
    told: dict[str, Any] = {}
    if wanted is None:
        from yoto.cli.asking import interview

        point = interview(loaded, own, asked.at, seed or 0)
    else:
        point, told = met(search(loaded, own, here, wanted, asked), as_json)
    told = {"point": dict(point), **told}
    if polish is not None:
        told["polished"] = polish_there(
            header, loaded, own, recipe, point, polish, asked, output, quiet=as_json, force=force
        )
    if as_json:
        print_json(told)
    if polish is None:
        finish(header, loaded, model, point, output, quiet=as_json)


def without_recipe(
    header: Header,
    model: str,
    wanted: Request | None,
    asked: Asked,
    task_name: str | None,
    data: str | None,
    polish: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Choose for a model of somebody's own loop: by a task that the user named, else on the curve that the file holds.

    Raises:
        UsageError: If more is asked for than the file holds.
    """
    if polish is not None:
        polishing.check_model(header, model)
    told: dict[str, Any] = {}
    loaded = None
    if task_name is None:
        point, told = met(stored(header, wanted, asked, data), as_json)
        note("the best point of the curve that the file holds; measuring takes data: --task, or yoto.select in Python")
    elif data is not None:
        raise checks.UsageError("--data is for models with a recipe. Found none; the task says where its data are")
    else:
        loaded, own = opened_own(header, task_name)
        if wanted is None:
            from yoto.cli.asking import interview

            point = interview(loaded, own, asked.at, asked.seed or 0)
        else:
            point, told = met(search(loaded, own, None, wanted, asked), as_json)
    if as_json:
        print_json({"point": dict(point), **told})
    finish(header, loaded, model, point, output, quiet=as_json)


def stored(header: Header, wanted: Request | None, asked: Asked, data: str | None) -> SelectedPoint:
    """The best point of the curve that a model without a recipe holds.

    Raises:
        UsageError: If it holds none, or something was asked for that takes measuring.
    """
    from yoto.curves import TradeoffCurve

    advice = "give --task, or choose in Python: yoto.select(yoto.load(FILE, net=…), batches, terms, minimise=…)"
    if header.curve is None:
        raise checks.UsageError(f"{str(header.path)!r} has no recipe to measure it by and no curve: {advice}")
    nothing = Asked(split="validation", limit=None, seed=None, evaluations=None, seconds=None, at={})
    if wanted is None or asked != nothing or data is not None:
        raise checks.UsageError(f"{str(header.path)!r} has no recipe to measure it by, only a finished curve: {advice}")
    return TradeoffCurve.from_dict(header.curve).chosen(wanted)


def met(found: SelectedPoint, as_json: bool) -> tuple[dict[str, float], dict[str, Any]]:
    """The point that was found, and all that is said of it; it is printed, but where JSON is printed later.

    Raises:
        YotoError: If no point meets the bounds, naming the nearest.
    """
    if not found.feasible:
        if as_json:
            print_json(found.to_dict())
        raise YotoError(str(found))
    if not as_json:
        print(result(found))
    return dict(found.point), found.to_dict()


def request_of(minimise: str | None, maximise: str | None, bounds: list[str], confidence: float | None) -> Request:
    """The request of a command line, in whose words errors are."""
    from yoto.curves.selection.request import request

    if (minimise is None) == (maximise is None):
        raise checks.UsageError("one of --minimise NAME, --maximise NAME and --ask should be given")
    return request(minimise, maximise, bounds, confidence)


def search(loaded: Bundle, task: BaseTask, recipe: Recipe | None, wanted: Request, asked: Asked) -> SelectedPoint:
    """The point, by the recipe's settings, where there is one, but for those given."""
    from yoto.build import build_objective
    from yoto.curves import select as select_point

    settings = None if recipe is None else recipe.evaluation
    return select_point(
        loaded,
        task.data(asked.split),  # type: ignore[arg-type]
        task,
        minimise=None if wanted.maximise else wanted.objective,
        maximise=wanted.objective if wanted.maximise else None,
        subject_to=wanted.bounds,
        confidence=wanted.confidence,
        objective=None if recipe is None else build_objective(recipe),
        at=asked.at,
        evaluations=asked.evaluations,
        seconds=asked.seconds,
        batch=None if settings is None else settings.batch,
        limit=asked.limit or (None if settings is None else settings.limit),
        seed=asked.seed if asked.seed is not None else 0 if settings is None else settings.seed,
    )


def polish_there(
    header: Header,
    loaded: Bundle,
    task: BaseTask,
    recipe: Recipe,
    point: Mapping[str, float],
    steps: int,
    asked: Asked,
    output: Path | None,
    *,
    quiet: bool,
    force: bool,
) -> dict[str, Any]:
    """Train the plain network on at the point, write it as a model, and say what that brought."""
    path = output or checked_output(polishing.default_output(header, point), force=force)
    done = polishing.polished(loaded, task, recipe, point, steps, seed=asked.seed, split=asked.split)
    polishing.write(done, header, task, path)
    if not quiet:
        print(polishing.text(done))
        print(path)
    return {"file": str(path), **polishing.told(done)}


def result(found: SelectedPoint) -> str:
    """The point and its values, for people."""
    rows: list[tuple[object, ...]] = []
    for name, value in found.values.items():
        error = found.errors.get(name)
        own = [each for each in found.margins.items() if each[0].rsplit(" ", 2)[0] == name]  # two where both sides are
        said = [(text, "" if margin is None else f"{margin:.2g} standard errors inside") for text, margin in own]
        rows.append((name, value, "" if error is None else f"± {error:.2g}", *(said[0] if said else ("", ""))))
        rows += [("", "", "", *more) for more in said[1:]]
    place = ", ".join(f"{name} = {value:.4g}" for name, value in found.point.items())
    limited = f"; the limit of {found.limited} ended it" if found.limited else ""
    spent = f"{found.evaluations} settings measured in {found.passes:.3g} passes{limited}"
    return f"{place}\n{table(('', 'mean', '', 'bound', ''), rows)}\n{spent}"


def finish(
    header: Header, loaded: Bundle | None, model: str, point: Mapping[str, float], output: Path | None, *, quiet: bool
) -> None:
    """Write the plain network, or say what to type next; `quiet` where standard output is for JSON.

    Where no network was made of the file, its weights alone give the plain ones.
    """
    if output is None:
        if not quiet:
            settings = [part for name, value in point.items() for part in ("--at", f"{name}={value:.7g}")]
            print("next:", shlex.join(["yoto", "export", model, "-o", "plain.safetensors", *settings]))
        return
    from yoto.bundle.baked import baked_state
    from yoto.export.write import save_weights
    from yoto.support.tensors import only

    state = baked_state(header.path, point) if loaded is None else only(loaded.conditional.bake(point).state_dict())
    save_weights(state, output, {"task": header.task, "at": dict(point)})
    if quiet:
        note(str(output))
    else:
        print(output)
