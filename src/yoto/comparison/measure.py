"""Measuring the finished runs of a comparison, once."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from yoto import bundle
from yoto.build import build_data, build_objective, build_task, evaluation_points
from yoto.conditioning import bind
from yoto.curves.curve import TradeoffCurve, same_point
from yoto.curves.evaluation import free_columns
from yoto.curves.parity import Cost
from yoto.curves.sweep import sweep
from yoto.errors import YotoError
from yoto.support.graphs import without_graph
from yoto.task import path_of
from yoto.training.folder import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from torch import Tensor, nn

    from yoto.recipe import Recipe
    from yoto.task import BaseTask, Split, Task


class Bench:
    """One split of the data and the settings under which every model is measured.

    Args:
        recipe: Gives the evaluation's settings, for all models.
        split: Which part of the data.
        task: In place of the recipes' own.
    """

    def __init__(self, recipe: Recipe, split: Split, task: Task | None) -> None:
        self.recipe, self.split, self.given = recipe, split, task
        self.settings = recipe.evaluation
        self.task = self.task_of(recipe)
        self.data = build_data(self.task, split)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.examples = min(len(self.data), self.settings.limit or len(self.data))

    def task_of(self, recipe: Recipe) -> BaseTask:
        """The task of one of the recipes; the network may differ from that of another."""
        return build_task(recipe, self.given)

    def load_model(self, run: Path, recipe: Recipe) -> nn.Module:
        """A run's model, ready to evaluate."""
        return bundle.load(run, task=self.task_of(recipe)).model.to(self.device).eval()

    def floor(self, points: Sequence[Mapping[str, Any]]) -> float | None:
        """The task's bounds on the terms as one bound on the loss, where it is the same at all points.

        They are of the whole split, so there is none for a part of it.
        """
        found, objective = self.task.floor(self.split), build_objective(self.recipe)
        if found is None or self.examples < len(self.data) or not self.recipe.scalarisation().monotone:
            return None
        terms = {name: torch.tensor([float(value)]) for name, value in found.items()}
        values = [float(objective.loss(terms, objective.space.point(point))) for point in points]
        return values[0] if max(values) - min(values) <= 1e-4 * abs(values[0]) else None

    def grid(self, points: Sequence[Mapping[str, Any]]) -> Tensor:
        """λ [m, D] of the compared points and, for a smooth curve, of the recipe's evaluation points or grid."""
        space = self.recipe.loss_space()
        rows = [space.point(point) for point in points]
        known = [free_columns(space, row) for row in rows]
        more = evaluation_points(self.recipe)
        rows += [row for row in more if not any(same_point(free_columns(space, row), one) for one in known)]
        return torch.stack(rows)

    def measure(self, run: Path, recipe: Recipe, points: Tensor) -> TradeoffCurve:
        """A run's curve at λ [m, D]; kept in its folder and read from there while nothing has changed.

        Of a task of the user's own that is its module too. What else it reads, such as its data, is not looked at.
        """
        settings: dict[str, Any] = {
            "weights": hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest(),
            "points": points.tolist(),
            "split": self.split,
            "n": self.examples,
            "batch": self.settings.batch,
            "seed": self.settings.seed,
            "options": {key: value for key, value in recipe.options.items() if key not in ("data", "download")},
        }
        if self.given is not None:
            settings["code"] = code_of(self.given)
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        path = run / "curve.json"
        if path.exists():
            try:
                kept = TradeoffCurve.from_json(path)
                if kept.info.get("key") == key:
                    return kept
            except YotoError:
                pass  # measured anew
        curve = sweep(
            self.load_model(run, recipe),
            self.data,
            self.task_of(recipe),
            points,
            space=recipe.loss_space(),
            objective=build_objective(recipe),
            batch=self.settings.batch,
            limit=self.settings.limit,
            seed=self.settings.seed,
            info={**data_info(recipe), "split": self.split, "key": key},
        )
        curve.to_json(path)
        return curve

    def picture(self, run: Path, recipe: Recipe, point: Mapping[str, Any]) -> np.ndarray | None:
        """What the task shows of a run's model at a point."""
        model = self.load_model(run, recipe)
        at = recipe.loss_space().point(point).to(self.device)
        task = self.task_of(recipe)
        return without_graph(lambda: task.picture(bind(model, at), at, seed=self.settings.seed))


def code_of(task: Task) -> str | None:
    """The SHA-256 of the module that a task of the user's own comes from; None of one that is in no module's file."""
    module = sys.modules.get(path_of(task).partition(":")[0])
    file = Path(getattr(module, "__file__", None) or "")
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def data_info(recipe: Recipe) -> dict[str, str]:
    """The task, and the data set where its options name one."""
    dataset = recipe.options.get("dataset")
    return {"task": recipe.task, **({"data": str(dataset)} if dataset else {})}


def cost_of(run: Path) -> Cost:
    """What a run took, as its record says."""
    found = record(run)
    return Cost(
        steps=int(found.get("steps", 0)),
        seconds=float(found.get("seconds", 0.0)),
        cpu_seconds=float(found.get("cpu_seconds", 0.0)),
        parameters=int(found.get("parameters", 0)),
    )
