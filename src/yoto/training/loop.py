"""The training loop, one for conditional models and references."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from yoto.build import build_task
from yoto.errors import YotoError
from yoto.recipe import Recipe
from yoto.support.locks import alone_in
from yoto.support.seeds import streams_kept
from yoto.training.folder import check_folder, clear
from yoto.training.launch import first_alone, launch
from yoto.training.loggers import check_logger
from yoto.training.run import Result, Run
from yoto.training.signals import StopRequest
from yoto.training.start import branched, conditioned_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yoto.task import Task
    from yoto.training.loggers import Logger


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    task: Task | None = None,
    resume: bool = False,
    force: bool = False,
    weights: str | Path | None = None,
    max_minutes: float | None = None,
    devices: int = 1,
    nodes: int = 1,
    accelerator: str = "auto",
    progress: bool = True,
    loggers: Sequence[str | Logger] = ("csv",),
) -> Result:
    """Train the model that `recipe` describes, in the folder `out`.

    Writes recipe.yaml, log.csv, last/ (resumable state), best/model.safetensors (if the recipe validates), and at
    the end model.safetensors and run.json. Whatever is random depends on the recipe's seed and the step alone, so
    that on the CPU a run that was interrupted and resumed gives the parameters of an uninterrupted one bit for bit.
    Not so what a network or task keeps in plain attributes (a count of steps, say), which no checkpoint holds: a buffer
    or `get_extra_state` is kept.
    Ctrl-C, SIGTERM, a closed terminal and `max_minutes` let the present step end and leave a checkpoint.

    Commands take model.safetensors, the parameters after the last step (averaged under `ema`). best/ holds those of the
    lowest validation score (`TradeoffCurve.score`): a model for whoever names that folder. last/ is for resuming alone.

    Args:
        recipe: With `fixed` given a plain network is trained at that λ.
        out: The run's folder.
        task: In place of the one that the recipe names.
        resume: Go on with the run in `out`.
        force: Replace the run in `out`.
        weights: A model (as of `bundle.load`) whose parameters a new run starts from, in place of random ones; or the
            folder of an unfinished run, as its last checkpoint stands. Where it says how it was conditioned, the new
            run is conditioned so, whatever `recipe` says. run.json counts what was spent on them.
        max_minutes: Stop after this time, setting up included.
        devices, nodes, accelerator: As for Lightning Fabric; every process takes its share of the batch.
        progress: Show progress on stderr.
        loggers: "csv", "tensorboard" or objects with `write(row)` and `close()`.

    Raises:
        YotoError: If the folder does not suit or another process trains there, a loss is not finite or explodes, or a
            checkpoint is damaged.

    >>> import tempfile
    >>> from torch import nn, rand
    >>> from yoto import LogUniform
    >>> from yoto.data import ArrayData
    >>> from yoto.recipe import from_dict
    >>> from yoto.task import BaseTask
    >>> class Ridge(BaseTask):
    ...     def network(self):
    ...         return nn.Linear(2, 3)
    ...     def terms(self, net, batch, at):
    ...         return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    ...     def data(self, split):
    ...         return ArrayData(rand(64, 2))
    >>> space = {"fit": 1.0, "size": LogUniform(0.25, 4.0)}
    >>> recipe = from_dict({"name": "ridge", "space": space, "training": {"steps": 4, "batch": 8}})
    >>> result = train(recipe, tempfile.mkdtemp(), task=Ridge(), progress=False)
    >>> result.steps, result.finished
    (4, True)
    """
    if not isinstance(recipe, Recipe):
        raise YotoError(f"`recipe` should be a Recipe, as yoto.recipe.read(name) gives. Found {type(recipe).__name__}.")
    for logger in loggers:
        check_logger(logger)
    begin = time.monotonic()
    out = Path(out)
    start = weights if not resume else out if branched(out) else None
    if start is not None:
        recipe = conditioned_as(start, recipe)
    fabric = launch(devices, nodes, accelerator)

    def take() -> None:
        stack.enter_context(alone_in(out))
        check_folder(recipe, out, resume=resume, force=force)

    with ExitStack() as stack, streams_kept(torch.device("cpu")), StopRequest() as request:
        first_alone(fabric, take)
        run = Run(recipe, out, build_task(recipe, task), fabric)
        if weights is not None and not resume:
            run.start_from(weights)
        if resume and (out / "last" / "state.json").exists():
            run.state.load_checkpoint(out / "last")
        if not resume:  # not before it is known that the new run can begin, perhaps from the parameters of the old one
            first_alone(fabric, lambda: clear(out))
        try:
            run.open(progress, loggers)
            run.go(request, None if max_minutes is None else begin + 60 * max_minutes)
        finally:
            run.close()
        return run.finish(request.signal)
