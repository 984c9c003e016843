"""What commands on a model share: its recipe on other data, the model with its task, and where to write a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yoto.cli import checks, tasks

if TYPE_CHECKING:
    from yoto.bundle import Bundle, Header
    from yoto.recipe import Recipe
    from yoto.task import BaseTask, Task


def checked_output(path: Path, *, force: bool) -> Path:
    """The path itself, once it is known that a network can be written there."""
    if path.suffix.lower() != ".safetensors":
        raise checks.UsageError(f"-o should end in .safetensors. Found {str(path)!r}")
    return checks.output_file(path, force=force)


def with_data(recipe: Recipe, folder: str | None) -> Recipe:
    """The recipe with another folder for its data, if one is given."""
    return recipe if folder is None else recipe.replace({"options.data": folder})


def opened_own(header: Header, task_name: str) -> tuple[Bundle, BaseTask]:
    """A model without a recipe on its device, and the task that the user named for it."""
    from yoto.task import complete

    task = tasks.make_task(task_name, {})
    assert task is not None
    return placed(header, task), complete(task)


def opened(header: Header, recipe: Recipe, task_name: str | None) -> tuple[Bundle, BaseTask]:
    """The model on its device, and the task that measures it."""
    from yoto.build import build_task

    task = build_task(recipe, tasks.make_task(task_name, recipe.options))
    return placed(header, task), task


def placed(header: Header, task: Task) -> Bundle:
    """The model of a task on a GPU, where there is one."""
    import torch

    from yoto import bundle

    loaded = bundle.load(header.path, task=task)
    loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return loaded
