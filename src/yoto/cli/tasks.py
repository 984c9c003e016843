"""A task of the user's own, as given on the command line."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.cli.checks import UsageError

if TYPE_CHECKING:
    from torch import nn

    from yoto.task import Task


def check_name(name: str | None, option: str = "--task") -> None:
    """Refuse what cannot be MODULE:CLASS, before anything is imported.

    Raises:
        UsageError: If it is not of that form.
    """
    if name is not None and not all(part.strip() for part in name.partition(":")):
        raise UsageError(f"{option} should be MODULE:CLASS, such as my_tasks:Segmentation. Found {name!r}")


def check_names(task: str | None, net: str | None) -> None:
    """As `check_name`, of a task and a network, of which one says what the network is."""
    check_name(task)
    check_name(net, "--net")
    if task is not None and net is not None:
        raise UsageError("--net and --task both say which network it is: give one of them")


def check_known(registered: str, name: str | None, given: str | None, command: Sequence[str]) -> None:
    """Refuse a recipe or model whose task no application is, unless the user names it.

    Args:
        registered: The task that the recipe or model names; "" for one of the user's own.
        name: What was given as --task.
        given: How a run or model says that its task was named; it is printed, and never imported.
        command: What to type before --task, after `yoto`.

    Raises:
        UsageError: If the task is not known.
    """
    if not registered and name is None:
        raise UsageError(
            "the task is one of your own, which has to be named: "
            f"{shlex.join(['yoto', *command, '--task', given or 'MODULE:CLASS'])}"
        )


def of_run(run: Path) -> str | None:
    """How a run's task was named, as its record says."""
    from yoto.training.folder import record

    said = record(run).get("task_class")
    return said if isinstance(said, str) else None


def of_model(name: str) -> str | None:
    """How the task of a model file, or of a run, was named."""
    from yoto import bundle

    if Path(name).suffix != ".safetensors":
        return of_run(Path(name))
    return bundle.read_header(name).task_class


def make_task(name: str | None, options: Mapping[str, Any] | None) -> Task | None:
    """The task that the user named, with a recipe's options; None where none was named.

    The module may also lie in the present folder, which scripts do not search otherwise.
    """
    from yoto.registry import typed_task

    if name is None:
        return None
    search_here()
    return typed_task(name, options)


def make_net(name: str | None) -> nn.Module | None:
    """The plain network that a class or function of the user's makes without arguments; None where none was named.

    Raises:
        UsageError: If it makes something else.
    """
    if name is None:
        return None
    from torch import nn, random

    from yoto.registry import imported, raised_inside

    search_here()
    with random.fork_rng(devices=[]):
        try:
            net = imported(name, "Network")()
        except TypeError as error:
            if raised_inside(error):
                raise
            raise UsageError(f"--net should make a network without arguments. Found {name!r}: {error}") from None
    if not isinstance(net, nn.Module):
        raise UsageError(f"--net should make a torch.nn.Module. Found {type(net).__name__}")
    return net


def search_here() -> None:
    """Look for modules in the present folder too, which scripts do not otherwise."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
