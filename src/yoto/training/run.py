"""One process's part in a training run: what happens in a step, and what after some of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from yoto import bundle
from yoto.build import build_data, build_model, build_objective, evaluation_points, own_lam
from yoto.conditioning import Conditional
from yoto.errors import YotoError
from yoto.objective.step import LossStep
from yoto.optim import Clipper
from yoto.recipe import Recipe
from yoto.support.files import write_atomic
from yoto.support.tensors import restore
from yoto.task import BaseTask, path_of
from yoto.training.alone import check_gradient, check_trained
from yoto.training.batches import Batches
from yoto.training.ema import EMA
from yoto.training.graphed import GraphedPass
from yoto.training.launch import first_alone, of_all
from yoto.training.loggers import Logger, make_logger
from yoto.training.machine import describe_machine, versions
from yoto.training.monitor import Monitor
from yoto.training.progress import Progress
from yoto.training.schedules import learning_rate_factor, make_optimiser
from yoto.training.signals import StopRequest
from yoto.training.start import read_start
from yoto.training.state import State

AGREE_EVERY = 10
"""Steps after which several processes agree on whether to stop."""


@dataclass(frozen=True)
class Result:
    """What `train` did.

    Attributes:
        model: The network (conditional, or plain for a reference); the averaged parameters if finished under EMA.
        out: The run's folder.
        steps: Steps done, over all processes that worked on the run.
        seconds, cpu_seconds: Time spent on them; processor time is of all processes.
        finished: Whether the run is complete; otherwise `resume` goes on with it.
        signal: The number of the signal that stopped it, if one did.
    """

    model: nn.Module
    out: Path
    steps: int
    seconds: float
    cpu_seconds: float
    finished: bool
    signal: int | None = None


class Run:
    """One process's part in a training run."""

    def __init__(self, recipe: Recipe, out: Path, task: BaseTask, fabric: Any) -> None:
        training = recipe.training
        self.recipe, self.out, self.task, self.fabric = recipe, out, task, fabric
        self.objective = build_objective(recipe)
        examples = build_data(task, "train")
        model = build_model(recipe, task, examples)
        if training.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        step = LossStep(model.train(), task.terms, self.objective, mixed=training.precision == "bf16-mixed")
        self.step_module = fabric.setup_module(step)
        alone = fabric.device.type == "cuda" and fabric.world_size == 1
        self.graphed = GraphedPass(self.step_module, self.backward) if training.cuda_graph and alone else None
        validates = training.validate_every and fabric.is_global_zero
        self.validation = build_data(task, "validation").to(fabric.device) if validates else None
        self.batches = Batches(
            examples.to(fabric.device),
            self.objective.space,
            training,
            seed=recipe.seed,
            at=own_lam(recipe),
            device=fabric.device,
            rank=fabric.global_rank,
            shares=fabric.world_size,
        )
        self.state = State(
            model=model,
            optimiser=make_optimiser(model, training),
            clipper=Clipper(training.clip, factor=training.clip_factor),
            monitor=Monitor(self.objective, of_all if fabric.world_size > 1 else None),
            ema=None if training.ema is None else EMA(model, training.ema),
        )
        self.loggers: list[Logger] = []
        self.progress: Progress | None = None
        self.reached = False

    def start_from(self, name_or_path: str | Path) -> None:
        """Take the parameters of a model or an unfinished run with the same network in place of random ones.

        Raises:
            YotoError: If they do not fit.
        """
        tensors, self.state.source = read_start(name_or_path)
        restore(self.state.model, tensors, str(name_or_path))
        if self.state.ema is not None:
            self.state.ema = EMA(self.state.model, self.state.ema.decay)

    def named(self) -> dict[str, str]:
        """How the task was named, where the recipe does not say it: for whoever has to name it again."""
        return {} if self.recipe.task else {"task_class": path_of(self.task)}

    def before(self) -> dict[str, Any] | None:
        """What was spent on the parameters that the run started from."""
        return None if self.state.source is None else asdict(self.state.source)

    def open(self, progress: bool, loggers: Sequence[str | Logger]) -> None:
        """Store the recipe and how its task was named, and start logging, in the first process only."""
        if self.fabric.is_global_zero:
            write_atomic(self.out / "recipe.yaml", self.recipe.dump())
            if self.named() and not (self.out / "run.json").exists():
                write_atomic(self.out / "run.json", json.dumps(self.named(), indent=1) + "\n")
            self.loggers = [make_logger(logger, self.out, self.state.step) for logger in loggers]
            steps = self.recipe.training.steps
            self.progress = Progress(steps, self.state.step, label=self.recipe.name, shown=progress)

    def close(self) -> None:
        """Stop logging."""
        for logger in self.loggers:
            logger.close()
        if self.progress is not None:
            self.progress.close()

    def go(self, request: StopRequest, deadline: float | None) -> None:
        """Train until the last step or until asked to stop, and leave a checkpoint."""
        training, state = self.recipe.training, self.state
        state.start_clock()
        # Asked once, before any is written: all processes save at the same steps, whichever of them writes first.
        saved = state.step if (self.out / "last" / "state.json").exists() else None
        while state.step < training.steps and not self.stopping(request, deadline):
            self.advance()
            if self.progress is not None:
                self.progress.move(state.step)
            done = state.step == training.steps
            if done or state.step % training.log_every == 0:
                self.log()
            if training.validate_every and (done or state.step % training.validate_every == 0):
                self.validate_alone()
            if done or state.step % training.checkpoint_every == 0:
                self.save_checkpoint()
                saved = state.step
        if saved != state.step:
            self.save_checkpoint()

    def advance(self) -> None:
        """One optimiser step."""
        training, state = self.recipe.training, self.state
        state.optimiser.scale(learning_rate_factor(state.step, training))
        parts = []
        for part in range(training.accumulate):
            batch, lam = self.batches.draw(state.step, part)
            waits = part + 1 < training.accumulate
            with self.fabric.no_backward_sync(self.step_module, enabled=True) if waits else nullcontext():
                parts.append((self.passes(batch, lam), lam))
        if not self.reached:
            check_trained(state.model)
            if self.fabric.world_size > 1:
                check_reached(state.model)
            self.reached = True
        norm = state.clipper(state.optimiser.parameters)
        state.optimiser.step()
        if self.graphed is None:
            state.optimiser.zero_grad()
        if state.ema is not None:
            state.ema.update()
        state.step += 1
        for terms, lam in parts:
            state.monitor.add(state.step, terms, lam, norm)

    def passes(self, batch: Any, lam: Tensor) -> dict[str, Tensor]:
        """Forward and backward pass of a part of a step; returns the terms."""
        if self.graphed is not None:
            return self.graphed(batch, lam)
        loss, terms = self.step_module(batch, lam)
        parts = self.recipe.training.accumulate
        self.backward(loss if parts == 1 else loss / parts)
        found: dict[str, Tensor] = terms
        return found

    def backward(self, loss: Tensor) -> None:
        """Gradients of a part's loss."""
        check_gradient(loss)
        self.fabric.backward(loss)

    def stopping(self, request: StopRequest, deadline: float | None) -> bool:
        """Whether to stop before the next step; several processes agree on it every few steps."""
        stop = request.signal is not None or (deadline is not None and time.monotonic() >= deadline)
        if self.fabric.world_size == 1:
            return stop
        if self.state.step % AGREE_EVERY:
            return False
        flag = torch.tensor(float(stop), device=self.fabric.device)
        return bool(self.fabric.all_reduce(flag, reduce_op="max") > 0)

    def log(self) -> None:
        """Give the window's means to the loggers."""
        state = self.state
        means = state.monitor.read_window()
        rate = next(state.optimiser.groups())["lr"]
        row = {"step": state.step, "seconds": round(state.seconds, 2), **means, "learning_rate": rate}
        for logger in self.loggers:
            logger.write(row)
        if self.progress is not None:
            self.progress.report(state.step, row)
            if state.step == self.recipe.training.steps:
                for remark in state.monitor.remarks():
                    self.progress.note(remark)

    def validate_alone(self) -> None:
        """Validate in the first process; what it refuses ends all, and what it found all know."""
        if self.fabric.world_size == 1:
            self.validate()
            return
        first_alone(self.fabric, self.validate)
        self.state.best = self.fabric.broadcast(self.state.best)

    def validate(self) -> None:
        """`TradeoffCurve.score` at the evaluation points on the validation split; the lowest so far goes to best/."""
        if self.validation is None:
            return
        from yoto.curves import sweep

        state, evaluation = self.state, self.recipe.evaluation
        with nullcontext() if state.ema is None else state.ema.applied():
            curve = sweep(
                state.model,
                self.validation,
                self.task,
                evaluation_points(self.recipe),
                batch=evaluation.batch,
                limit=evaluation.limit,
                seed=evaluation.seed,
                objective=self.objective,
                metrics={},
            )
            loss = curve.score()
            if state.best is None or loss < state.best:
                state.best = loss
                self.write_bundle(self.out / "best" / "model.safetensors", validation=loss)

    def save_checkpoint(self) -> None:
        """Write last/, after all processes brought together what the log needs."""
        if self.state.monitor.window:
            self.state.monitor.check_window()
        self.count_processors()
        if self.fabric.is_global_zero:
            self.state.save_checkpoint(self.out / "last")

    def count_processors(self) -> None:
        """Ask all processes for their processor time; all of them do so at the same steps."""
        if self.fabric.world_size > 1:
            own = self.state.own_cpu_seconds
            seconds = torch.tensor(own, dtype=torch.float64, device=self.fabric.device)
            self.state.beside = float(self.fabric.all_reduce(seconds, reduce_op="sum")) - own

    def write_bundle(self, path: Path, **info: Any) -> None:
        """Write the model's present state, with what its task wants to travel with them."""
        model = self.state.model
        extras: dict[str, Tensor] = {}
        if isinstance(model, Conditional):
            extras, facts = self.task.extras(model)
            info = {**facts, **info}
        info = {"steps": self.state.step, "before": self.before(), **self.named(), **info}
        bundle.save(model, path, recipe=self.recipe, info=info, extras=extras, objective=self.objective)

    def finish(self, signal: int | None) -> Result:
        """Write the record, and the model if the run is complete."""
        state = self.state
        finished = state.step >= self.recipe.training.steps
        state.model.eval()
        self.count_processors()
        if finished and state.ema is not None:
            state.ema.swap()
        result = Result(state.model, self.out, state.step, state.seconds, state.cpu_seconds, finished, signal)
        if self.fabric.is_global_zero:
            if finished:
                self.write_bundle(self.out / "model.safetensors")
            record: dict[str, Any] = {
                "steps": state.step,
                "finished": finished,
                **self.named(),
                "seconds": round(result.seconds, 2),
                "cpu_seconds": round(result.cpu_seconds, 2),
                "parameters": sum(value.numel() for value in state.model.parameters()),
                "batch": self.recipe.training.batch,
                "seed": self.recipe.seed,
                "best": state.best,
                "remarks": state.monitor.remarks() if finished else [],
                "weights": None if state.source is None else state.source.sha256,
                "before": self.before(),
                "processes": self.fabric.world_size,
                "machine": describe_machine(self.fabric.device),
                "versions": versions(),
            }
            write_atomic(self.out / "run.json", json.dumps(record, indent=1) + "\n")
        self.fabric.barrier()
        return result


def check_reached(model: nn.Module) -> None:
    """Refuse parameters without a gradient, for which several processes would wait in vain at the next step."""
    missing = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise YotoError(
            f"With several devices the loss should reach every parameter. Found {', '.join(map(repr, missing[:3]))}"
            f"{more} without a part in it. Freeze them (requires_grad_(False)), or train on one device."
        )
