"""`yoto demo`: the page with the sliders."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yoto.cli import checks, tasks
from yoto.cli.options import Force, TaskName, model_names
from yoto.cli.output import note
from yoto.errors import YotoError
from yoto.support.extras import require

if TYPE_CHECKING:
    from yoto.task import Task


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="A model of yours: it gets a page too.", autocompletion=model_names),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="[default: the first free one from 8000 on]"),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Start, load all pages and models once, draw MODEL's picture, stop.")
    ] = False,
    static: Annotated[
        Path | None,
        typer.Option("--static", metavar="DIR", help="Write a copy for any web host, which computes in the browser."),
    ] = None,
    task: TaskName = None,
    force: Force = False,
) -> None:
    """Open the page with the sliders.

    A page per application, with its bundled models, computed on this machine; with MODEL one more page for a model of
    yours, with a slider for each of its loss parameters.

    \b
    yoto demo
    yoto demo runs/mine
    yoto demo --static site
    """
    if static is not None:
        if check or model is not None:
            raise checks.UsageError("--static writes the bundled models' pages: it takes neither MODEL nor --check")
        checks.output_folder(static, force=force)

        from yoto.web import static_copy

        copy = static_copy.write_copy(static)
        note(f"{static}: {len(copy.names)} files, {copy.size / 1e6:.1f} MB, for any web host. To try it here:")
        note(f"{Path(sys.executable).name} -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(static))}")
        return
    tasks.check_name(task)
    if task is not None and model is None:
        raise checks.UsageError("--task is for MODEL. Found none")
    require("The page", "fastapi", "uvicorn")

    from yoto.web import serve
    from yoto.web.pages import all_pages

    refusals = []

    def refused(refusal: str) -> None:
        refusals.append(refusal)
        note(f"yoto demo: {refusal}")

    pages = all_pages(model, own_task(task, model), refused)
    if check:
        for url in serve.check_pages(pages, host, port, refused):
            note(url)
        for name, page in pages.items():
            try:
                page.check()
            except YotoError as error:
                refused(f"the page {name!r} does not work: {error}")
        if refusals:
            raise typer.Exit(1)
        return
    browser = not no_browser
    serve.run(
        pages, host, port, browser=browser, say=lambda url: note(f"yoto demo: {url} (Ctrl-C ends it)"),
        warn=lambda said: note(f"yoto demo: {said}"), refused=refused,
    )  # fmt: skip


def own_task(name: str | None, model: str | None) -> Task | None:
    """The task that the user named for a model, with the options in the model's recipe.

    Raises:
        UsageError: If the model was trained by a task of the user's own, which is not named.
    """
    if model is None:
        return None
    from yoto import bundle

    header = bundle.read_header(model)
    if header.recipe is not None:
        tasks.check_known(header.task, name, header.task_class, ("demo", model))
    return tasks.make_task(name, (header.recipe or {}).get("options"))
