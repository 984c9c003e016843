"""The pages that there are, by name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from yoto.errors import YotoError
from yoto.registry import applications, imported
from yoto.web.own import OWN, Own

if TYPE_CHECKING:
    from yoto.task import Task
    from yoto.web.page import Page

log = logging.getLogger("yoto.web")


def all_pages(
    model: str | None = None, task: Task | None = None, refused: Callable[[str], object] = log.warning
) -> dict[str, Page]:
    """The pages of all applications with their bundled models, and before them that of a model of the user's.

    Args:
        model: Name, file or run folder.
        task: Its task's object, where the model's file names one that only its user can give.
        refused: Called with what is wrong with an application's page, which is left out.

    Raises:
        YotoError: If the user's model has no page.
    """
    found: dict[str, Page] = {} if model is None else {OWN: Own(model, task)}
    for name, application in applications(refused).items():
        if application.page is not None:
            try:
                found[name] = imported(application.page, "Page")()
            except YotoError as error:
                refused(left_out(name, error))
    return found


def left_out(name: str, error: YotoError) -> str:
    """What is said of a page that does not take the others along."""
    return f"the page {name!r} is left out: {error}"


def warm(pages: Mapping[str, Page], ended: Callable[[], bool] = lambda: False) -> None:
    """Load everything that the first clicks need, until it is all there or the server has ended."""
    for page in pages.values():
        for load in page.loads():
            if ended():
                return
            try:
                load()
            except YotoError as error:
                log.warning("%s", error)  # its page will say so too
