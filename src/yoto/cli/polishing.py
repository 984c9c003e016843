"""`yoto polish`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yoto.cli import checks, tasks
from yoto.cli.opening import checked_output, opened, with_data
from yoto.cli.options import DataFolder, Force, Json, ModelArgument, TaskName
from yoto.cli.output import note, print_json, table
from yoto.support import memory
from yoto.task import SPLITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from yoto.bundle import Bundle, Header
    from yoto.comparison.paired import Paired
    from yoto.recipe import Recipe
    from yoto.space import Value
    from yoto.task import BaseTask


@dataclass(frozen=True, kw_only=True)
class Polished:
    """A polished network, the recipe of its polishing, and what that brought on a split."""

    net: nn.Module
    recipe: Recipe
    pair: Paired
    split: str
    seconds: float


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("polish")(polish)


def polish(
    model: ModelArgument,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NAME=VALUE", help="The setting of every free loss parameter, such as kl=4."),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Optimiser steps.")] = 800,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The plain network [default: MODEL-NAME-VALUE.safetensors]."
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="R", help="Peak learning rate [default: the recipe's, less for few steps]."),
    ] = None,
    data: DataFolder = None,
    split: Annotated[
        str, typer.Option("--split", metavar="|".join(SPLITS), help="Where the loss is measured.")
    ] = "validation",
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="S", min=0, help="Of the training [default: the recipe's].")
    ] = None,
    task: TaskName = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Train a model's plain network on at one λ alone.

    The network is baked at that λ and trained by the model's recipe, with a short schedule of its own. FILE is a model
    for that λ, which sweep and export take. The loss before and after is printed.

    \b
    yoto polish vae/fashion-mnist --at kl=4 --steps 800
    yoto polish runs/digits --at kl=0.5 --steps 1600 -o digits-half.safetensors
    """
    from yoto import bundle
    from yoto.build import recipe_of

    point = checks.point(at or [], "--at")
    tasks.check_name(task)
    checks.choice(split, SPLITS, "--split")
    if lr is not None and not 0 < lr < float("inf"):
        raise checks.UsageError(f"--lr should be above 0. Found {lr:g}")
    header = bundle.read_header(model)
    check_model(header, model)
    if not point:
        raise checks.UsageError(f"--at should say for which λ, such as --at {header.space.free[0]}=…")
    header.space.check(point)
    recipe = recipe_of(header)
    tasks.check_known(header.task, task, header.task_class, ("polish", model))
    path = checked_output(output or default_output(header, point), force=force)

    loaded, own = opened(header, with_data(recipe, data), task)
    done = polished(loaded, own, recipe, point, steps, lr=lr, seed=seed, split=split)
    write(done, header, own, path)
    if as_json:
        print_json({"file": str(path), **told(done)})
    else:
        print(text(done))
        print(path)


def check_model(header: Header, model: str) -> None:
    """Refuse a model that has no λ to choose, or no recipe to train by."""
    if header.conditioning is None:
        raise checks.UsageError(f"{str(model)!r} was trained for one λ already: there is nothing to bake")
    if header.recipe is None:
        raise checks.UsageError(
            f"{str(model)!r} has no recipe to train by: polish it in Python, "
            "yoto.polish(yoto.load(FILE, net=…), point, batches, terms)"
        )


def default_output(header: Header, point: Mapping[str, Any]) -> Path:
    """A file in the present folder, named after model and point."""
    from yoto.comparison.plan import point_text, slug

    name = header.path.parent.name if header.path.stem == "model" else header.path.stem
    return Path(f"{name}-{slug(point_text(point))}.safetensors")


def polished(
    loaded: Bundle,
    task: BaseTask,
    recipe: Recipe,
    point: Mapping[str, Value],
    steps: int,
    *,
    lr: float | None = None,
    seed: int | None = None,
    split: str = "validation",
) -> Polished:
    """Polish a loaded model by its recipe, with progress on stderr, and measure what that brought.

    Raises:
        YotoError: As of `polishing_recipe`, `polish_by_recipe` and `sweep`.
    """
    from yoto.build import build_objective
    from yoto.comparison.paired import paired
    from yoto.training.by_recipe import polish_by_recipe, polishing_recipe
    from yoto.training.progress import Progress

    memory.keep_freed()
    own = polishing_recipe(recipe, point, steps, lr=lr, seed=seed)
    begin = time.monotonic()
    progress = Progress(steps, 0, label="polish")

    def watch(done: int, loss: float | None) -> None:
        progress.move(done)
        if loss is not None:
            progress.report(done, {"loss": loss})

    try:
        net = polish_by_recipe(loaded.model, own, task, watch=watch)
    finally:
        progress.close()
    seconds = time.monotonic() - begin
    settings = recipe.evaluation
    pair = paired(
        loaded.model,
        net,
        loaded.space.point(point),
        task.data(split),  # type: ignore[arg-type]
        task,
        build_objective(recipe),
        batch=settings.batch,
        limit=settings.limit,
        seed=settings.seed,
    )
    return Polished(net=net, recipe=own, pair=pair, split=split, seconds=seconds)


def write(done: Polished, header: Header, task: BaseTask, path: Path) -> None:
    """Write the network as a model for its λ, which says what it was polished from."""
    from yoto import bundle
    from yoto.build import build_objective
    from yoto.task import path_of

    source = {"steps": header.steps, "sha256": bundle.sha256(header.path)}
    own = {} if header.task else {"task_class": path_of(task)}
    info = {"steps": done.recipe.training.steps, "polished_from": source, **own}
    bundle.save(
        done.net,
        path,
        space=header.space,
        recipe=done.recipe,
        info=info,
        objective=build_objective(done.recipe),
        directions=header.directions or None,  # type: ignore[arg-type]
    )


def told(done: Polished) -> dict[str, Any]:
    """What a polishing brought, JSON-able."""
    before, after = done.pair.before, done.pair.after
    return {
        "at": done.recipe.fixed,
        "steps": done.recipe.training.steps,
        "lr": done.recipe.training.lr,
        "seconds": round(done.seconds, 2),
        "split": done.split,
        "n": after.n,
        "before": {"loss": before.loss, **before.terms},
        "after": {"loss": after.loss, **after.terms},
        "gain": done.pair.gain,
        "error": done.pair.error,
    }


def text(done: Polished) -> str:
    """The same for people."""
    before, after, gain, error = done.pair.before, done.pair.after, done.pair.gain, done.pair.error
    place = ", ".join(f"{name} = {value}" for name, value in (done.recipe.fixed or {}).items())
    names = ("loss", *before.terms)
    rows = [
        (name, f"{one:.6g}", f"{two:.6g}")
        for name, one, two in zip(
            names, (before.loss, *before.terms.values()), (after.loss, *after.terms.values()), strict=True
        )
    ]
    if gain < 0:
        note("polishing made it worse: more steps or a lower --lr may help")
    within = "" if error is None else f" ± {error:.2g}"
    verdict = f"loss {'lower' if gain >= 0 else 'higher'} by {abs(gain):.3g}{within}"
    return (
        f"{place}: {done.recipe.training.steps} steps in {done.seconds:.0f} s\n{table(('', 'before', 'after'), rows)}\n"
        f"{verdict} on {after.n} examples ({done.split})"
    )
