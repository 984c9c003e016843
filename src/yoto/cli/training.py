"""`yoto train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yoto.cli import checks, tasks
from yoto.cli.options import Force, RecipeArgument, SettingsArgument, TaskName, model_names
from yoto.cli.output import note
from yoto.support import locks, memory

if TYPE_CHECKING:
    from yoto.recipe import Recipe
    from yoto.space import LossSpace

ACCELERATORS = ("auto", "cpu", "cuda", "mps")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("train")(train)


def train(
    recipe: RecipeArgument,
    settings: SettingsArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="RUN", help="The run's folder [default: runs/NAME, by the recipe's `name`]."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL|RUN",
            help="Start from a model's weights, or an unfinished run's, instead of random ones; conditioned as it is.",
            autocompletion=model_names,
        ),
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", metavar="M", min=0.0, help="Stop cleanly after M minutes.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="S", min=0, help="Short for seed=S.")] = None,
    task: TaskName = None,
    devices: Annotated[int, typer.Option("--devices", metavar="N", min=1, help="Devices per machine.")] = 1,
    nodes: Annotated[int, typer.Option("--nodes", metavar="N", min=1, help="Machines.")] = 1,
    accelerator: Annotated[
        str, typer.Option("--accelerator", metavar="|".join(ACCELERATORS), help="What to train on.")
    ] = "auto",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for TensorBoard too.")] = False,
    force: Force = False,
) -> None:
    """Train a model by a recipe.

    RUN receives the recipe, a log, checkpoints and in the end model.safetensors, which commands on RUN take; RUN/best
    is the model of the lowest validation score, RUN/last is for --resume alone. Ctrl-C ends the present step and
    writes a checkpoint, as a closed terminal does; --resume goes on from there with exactly the same numbers.

    \b
    yoto train vae/digits
    yoto train vae/digits training.steps=200 width=2 -o runs/wide
    """
    from yoto.recipe import read

    checks.choice(accelerator, ACCELERATORS, "--accelerator")
    changes = checks.settings(settings or [])
    changes += [f"seed={seed}"] if seed is not None else []
    chosen = read(recipe, changes)
    tasks.check_name(task)
    run = output or checks.folder_named("runs", chosen.name)
    tasks.check_known(chosen.task, task, tasks.of_run(run), ("train", recipe))
    check_run(run, resume=resume, force=force)
    if weights is not None:
        if resume:
            raise checks.UsageError("--resume goes on with the run's own weights: give it without --from")
        from yoto.training.folder import space_of

        note_other_ranges(chosen.loss_space(), space_of(weights))
        note_narrow_start(chosen)
        check_conditioning(chosen, weights, changes)

    memory.keep_freed()
    from yoto.training import train as train_model
    from yoto.training.launch import is_first

    result = train_model(
        chosen,
        run,
        task=tasks.make_task(task, chosen.options),
        resume=resume,
        force=force,
        weights=weights,
        max_minutes=max_minutes,
        devices=devices,
        nodes=nodes,
        accelerator=accelerator,
        loggers=("csv", "tensorboard") if tensorboard else ("csv",),
    )
    if result.finished and is_first():
        note(f"{result.steps} steps in {result.seconds:.0f} s")
        print(run / "model.safetensors")
    if result.finished:
        return
    if is_first():
        note(f"stopped after step {result.steps} of {chosen.training.steps}; --resume goes on with it")
    if result.signal is not None:
        raise typer.Exit(128 + result.signal)


def note_other_ranges(new: LossSpace, old: LossSpace) -> None:
    """Say how a model's parameters keep their meaning where the recipe has wider ranges than it was trained for."""
    from yoto.space.interval import Interval

    changes = []
    for name in new.free:
        ours, theirs = new.parameters[name], old.parameters.get(name)
        if isinstance(ours, Interval) and isinstance(theirs, Interval) and ours.shown != theirs.shown:
            low, high = theirs.shown
            changes.append(f"space.{name}.anchor=[{low:g},{high:g}]")
    if changes:
        note(f"the network sees other ranges than the model's; to begin at its outputs add {' '.join(changes)}")


def note_narrow_start(recipe: Recipe) -> None:
    """Say that a schedule which begins with a part of the range is for networks that know nothing yet."""
    spread = recipe.training.spread
    if recipe.fixed is None and spread is not None and spread[0] < spread[-1]:
        note(
            f"training.spread begins with {spread[0]:.0%} of the range, and what the model knows of the rest fades "
            "meanwhile; to draw all of it from the start add training.spread=null"
        )


def check_conditioning(new: Recipe, weights: str, changes: Sequence[str]) -> None:
    """Say where a model's way of conditioning, which its parameters need, takes the place of the recipe's.

    Raises:
        UsageError: If the recipe's was typed.
    """
    from yoto.recipe import differences
    from yoto.training.folder import value_at
    from yoto.training.start import conditioned_as

    taken = conditioned_as(weights, new)
    keys = differences(new, taken)
    typed = [change.partition("=")[0] for change in changes]
    said = " ".join(f"{key}={value_at(taken.to_dict(), key)}" for key in keys)
    if any(f"{key}.".startswith(f"{each}.") for each in typed for key in keys):
        raise checks.UsageError(f"--from conditions the network as its model is, {said}: leave that out")
    if keys:
        note(f"conditioned as the model is: {said}")


def check_run(run: Path, *, resume: bool, force: bool) -> None:
    """Refuse a folder that training would refuse, before anything heavy is imported."""
    locks.check_free(run)
    from yoto.training.folder import has_run

    exists, begun = has_run(run), (run / "recipe.yaml").exists()
    if resume and force:
        raise checks.UsageError("--resume goes on with a run and --force starts it anew: give one of them")
    if resume and not begun:
        raise checks.UsageError(f"--resume needs a run to go on with. Found none in {str(run)!r}")
    if exists and not resume and not force:
        raise checks.UsageError(f"output {str(run)!r} holds a run; --resume goes on with it, --force starts it anew")
    checks.output_folder(run, force=resume or force or begun)
