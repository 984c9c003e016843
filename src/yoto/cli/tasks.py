"""A task of the user's own, as given on the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.cli.checks import UsageError

if TYPE_CHECKING:
    from yoto.task import Task


def check_name(name: str | None) -> None:
    """Refuse what cannot be MODULE:CLASS, before anything is imported.

    Raises:
        UsageError: If it is not of that form.
    """
    if name is not None and not all(part.strip() for part in name.partition(":")):
        raise UsageError(f"--task should be MODULE:CLASS, such as my_tasks:Segmentation. Found {name!r}")


def make_task(name: str | None, options: Mapping[str, Any] | None) -> Task | None:
    """The task that the user named, with a recipe's options; None where none was named.

    The module may also lie in the present folder, which scripts do not search otherwise.
    """
    from yoto.registry import typed_task

    if name is None:
        return None
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return typed_task(name, options)
