"""What a recipe makes: task, network, objectives and the λ to measure at. The only place that takes a recipe apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yoto.errors import YotoError
from yoto.recipe import from_dict
from yoto.registry import load_task
from yoto.support.seeds import derive, seed_all, streams_kept

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yoto.bundle import Header
    from yoto.data import Data
    from yoto.objective import Objective
    from yoto.recipe import Recipe
    from yoto.task import BaseTask, Split, Task


def recipe_of(header: Header) -> Recipe:
    """The recipe that a model carries.

    Raises:
        YotoError: If the model carries none.
    """
    if header.recipe is None:
        raise YotoError(f"{str(header.path)!r} should carry its recipe. Found none.")
    return from_dict(header.recipe)


def build_task(recipe: Recipe, given: Task | None = None) -> BaseTask:
    """The task that the recipe names, with its options; a given one in its place."""
    return load_task(recipe.task if given is None else given, recipe.options)


def build_data(task: BaseTask, split: Split) -> Data:
    """The examples of a split.

    Raises:
        YotoError: If the task gives something else, such as a loader, which has no order to resume from.
    """
    from yoto.data import Data

    found = task.data(split)
    if not isinstance(found, Data):
        raise YotoError(
            f"{type(task).__name__}.data({split!r}) should give a yoto.data.ArrayData of a tensor, a DatasetData of a "
            f"torch data set, or an object with len(), batch and to. Found {type(found).__name__}."
        )
    return found


def build_model(recipe: Recipe, task: BaseTask, data: Data | None = None) -> nn.Module:
    """The recipe's network with its initial state, which depends on the recipe's seed and, for tasks that
    start from their training data, on `data`.
    """
    import torch

    from yoto.conditioning import condition

    at = own_lam(recipe)
    with streams_kept(torch.device("cpu")):
        seed_all(derive(recipe.seed, "init"))
        model = task.network()
        if at is None:
            model = condition(model, recipe.loss_space(), **recipe.conditioning.model_dump())
        if data is not None:
            task.start(model, data, at)
        return model


def build_objective(recipe: Recipe) -> Objective:
    """What training minimises, balanced over λ as the recipe says; its `loss` is the full loss of evaluations."""
    from yoto.objective import Objective

    training = recipe.training
    return Objective(
        recipe.loss_space(),
        balance=training.balance,
        scalarisation=recipe.scalarisation(),
        per_batch=training.per_batch,
    )


def own_lam(recipe: Recipe) -> Tensor | None:
    """λ [D] of a network that is trained for it alone; None where the recipe is of a conditional model."""
    return None if recipe.fixed is None else recipe.loss_space().point(recipe.fixed)


def evaluation_points(recipe: Recipe, grid: int | None = None) -> Tensor:
    """λ [m, D] at which the recipe's model is measured: its own alone if it has one, else listed ones or a grid.

    Args:
        grid: So many points along each free parameter, in place of the recipe's points.
    """
    import torch

    own, space = own_lam(recipe), recipe.loss_space()
    if own is not None:
        return own[None]
    listed = recipe.evaluation_points() if grid is None else None
    if listed is not None:
        return torch.stack([space.point(point) for point in listed])
    return space.grid(grid or recipe.evaluation.grid)
