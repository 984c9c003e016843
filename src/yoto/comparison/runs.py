"""Training the runs of a comparison: finished ones are kept, unfinished ones resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError
from yoto.recipe import Recipe, from_dict, read
from yoto.support.memory import keep_freed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from yoto.task import Task


class Stopped(Exception):  # noqa: N818 - no error: the user or a time limit asked for it
    """The comparison was asked to stop; the same call goes on with it.

    Attributes:
        finished, total: Runs that are finished, and all runs.
        signal: The number of the signal that asked, or None where the time was up.
    """

    def __init__(self, finished: int, total: int, number: int | None) -> None:
        super().__init__(f"stopped after {finished} of {total} runs; the same command goes on")
        self.finished, self.total, self.signal = finished, total, number


def train_all(
    runs: Mapping[str, Recipe],
    folder: Path,
    *,
    task: Task | None,
    jobs: int,
    max_minutes: float | None,
    progress: bool,
    note: Callable[[str], None],
) -> None:
    """Train every run that is not finished, in its folder below `folder`.

    Raises:
        Stopped: If a signal or the time ended it.
        YotoError: If a folder holds a run of another recipe, or a training run fails.
    """
    waiting = {name: recipe for name, recipe in runs.items() if not finished(recipe, folder / name)}
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    if len(waiting) < len(runs):
        note(f"{len(runs) - len(waiting)} of {len(runs)} runs are finished already")
    if jobs > 1 and len(waiting) > 1:
        train_in_parallel(waiting, folder, len(runs), task, jobs, deadline, note)
        return
    for number, (name, recipe) in enumerate(waiting.items(), start=len(runs) - len(waiting) + 1):
        note(f"run {number} of {len(runs)}: {name}")
        done, stopped_by = train_one(recipe.to_dict(), folder / name, task, minutes_left(deadline), progress)
        if not done:
            raise Stopped(number - 1, len(runs), stopped_by)


def finished(recipe: Recipe, run: Path) -> bool:
    """Whether a run is finished.

    Raises:
        YotoError: If it was made by another recipe.
    """
    from yoto.training.folder import differences_in_parameters, record

    if not (run / "model.safetensors").exists() or not (run / "recipe.yaml").exists():
        return False
    for key in differences_in_parameters(read(run / "recipe.yaml"), recipe):
        raise YotoError(
            f"`{key}` should be as in the finished run in {str(run)!r}. Found another value. "
            "Usually: give the changed comparison another output folder."
        )
    return bool(record(run).get("finished"))


def minutes_left(deadline: float | None) -> float | None:
    """Minutes until the deadline, at least 0."""
    return None if deadline is None else max(0.0, (deadline - time.monotonic()) / 60)


def train_one(
    recipe: Mapping[str, Any],
    run: Path,
    task: Task | None,
    max_minutes: float | None,
    progress: bool,
    threads: int | None = None,
) -> tuple[bool, int | None]:
    """Train one run, or go on with it; whether it is finished, and the signal that stopped it.

    Args:
        threads: Those of a process that is for this run alone.
    """
    import torch

    from yoto.training import train

    if threads is not None:  # in a process of its own
        keep_freed()
        torch.set_num_threads(threads)
    own = from_dict(recipe)
    result = train(
        own,
        run,
        task=task,
        resume=(run / "recipe.yaml").exists(),
        max_minutes=max_minutes,
        progress=progress,
    )
    return result.finished, result.signal


def train_in_parallel(
    waiting: Mapping[str, Recipe],
    folder: Path,
    total: int,
    task: Task | None,
    jobs: int,
    deadline: float | None,
    note: Callable[[str], None],
) -> None:
    """Train in `jobs` processes of one thread each."""
    from yoto.training.launch import in_processes
    from yoto.training.signals import StopRequest

    check_pickles(task)

    def call(name: str) -> tuple[Any, ...]:
        return waiting[name].to_dict(), folder / name, task, minutes_left(deadline), False, 1

    complete, stopped_by = 0, None
    with StopRequest() as request:
        for name, (whole, number) in in_processes(
            train_one, waiting, call, jobs, request, lambda: minutes_left(deadline) == 0
        ):
            complete, stopped_by = complete + whole, stopped_by or number
            if whole:
                note(f"{total - len(waiting) + complete} of {total} runs are finished: {name}")
        stopped_by = stopped_by or (None if request.signal is None else abs(request.signal))
    if complete < len(waiting):
        raise Stopped(total - len(waiting) + complete, total, stopped_by)


def check_pickles(task: Task | None) -> None:
    """Refuse a task that other processes cannot be given.

    Raises:
        YotoError: Naming what does not pickle.
    """
    import pickle

    try:
        pickle.dumps(task)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise YotoError(
            f"The task should pickle, to be given to several processes. Found: {error}. Usually: a class or function "
            "inside of a function; move it to a module, or give `jobs` 1."
        ) from None
