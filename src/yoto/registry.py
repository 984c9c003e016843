"""The one table of applications. It says where the row of each is, and a row where its parts are: as text, which is
imported when it is used.

Built-in applications and those of installed packages come through the same door. A package names its own under the
entry-point group `yoto.tasks`: either `module:APPLICATION`, a row (its module should import neither torch nor NumPy,
since every command looks at it), or `module:Class`, a task alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError, near_misses
from yoto.task import BaseTask, complete

if TYPE_CHECKING:
    from yoto.task import Task

GROUP = "yoto.tasks"
"""Entry-point group in which other packages name their applications."""
ROW = "APPLICATION"


@dataclass(frozen=True, kw_only=True)
class Application:
    """The row of an application; each part is "module:Name", or None where the application has none.

    Attributes:
        task: The class of its task.
        options: A pydantic class. The `options` of a recipe are checked against it, and the task is called with the
            object that comes out, its only argument; without such a class they are the task's keyword arguments. Its
            module imports no torch.
        prepare: Completes a recipe's mapping before it is checked, say by names that its options stand for.
        commands: Called with the command line's `typer.Typer`, to which it adds commands. Its module imports neither
            torch nor NumPy.
        page: Makes a `yoto.web.page.Page`, without arguments.
        routes: Called with the FastAPI application, the `yoto.web.service.Server` and the page, to add what the page's
            script asks for. Its module may import FastAPI, which is there by then.
        sweep: Does what `yoto sweep` does with a conditional model of this task, in place of its trade-off curve:
            called with the model's header, its recipe, the output folder and a `yoto.cli.sweep.Asked`.
        exporter: Writes the network of a conditional model as the ONNX file that the application itself runs: called
            with the model's file and the output's, which it returns (None: beside the model).
        package: A package whose folders `models` and `recipes` hold what comes with it: `models/one.safetensors` and
            `recipes/one.yaml` are found as NAME/one, NAME being that of the application.
    """

    task: str
    options: str | None = None
    prepare: str | None = None
    commands: str | None = None
    page: str | None = None
    routes: str | None = None
    sweep: str | None = None
    exporter: str | None = None
    package: str | None = None


BUILT_IN: dict[str, str] = {
    "compression": "yoto.apps.codec:APPLICATION",
    "style": "yoto.apps.style:APPLICATION",
    "vae": "yoto.apps.vae:APPLICATION",
}


def imported(path: str, what: str) -> Any:
    """The object at `module:Name`; `what` it is says the message where it cannot be imported."""
    module, _, attribute = path.partition(":")
    if module.startswith(".") or "/" in module or module.endswith(".py"):
        raise YotoError(f"{what} {path!r} should be importable as module:Name. Found a path: give the module's name.")
    try:
        found = import_module(module)
    except ImportError as error:
        raise YotoError(f"{what} {path!r} should be importable as module:Name. Found: {error}.") from None
    try:
        return attrgetter(attribute)(found)
    except AttributeError as error:
        raise YotoError(f"{what} {path!r} should be importable as module:Name. Found: {error}.") from None


@cache
def entry_points() -> dict[str, str]:
    """What installed packages name under `yoto.tasks`: "module:Name" by name."""
    from importlib.metadata import entry_points as found  # half as slow to import as everything else here

    return {entry.name: entry.value for entry in found(group=GROUP)}


def package_folders() -> list[str]:
    """Folders (or files) of the packages that bring applications; none is imported."""
    from importlib.util import find_spec

    roots = {value.partition(":")[0].partition(".")[0] for value in entry_points().values()}
    specs = [spec for spec in map(find_spec, sorted(roots)) if spec is not None]
    return [place for spec in specs for place in spec.submodule_search_locations or [spec.origin or ""] if place]


def table() -> dict[str, str]:
    """Where every application is, by name: the built-in ones, then those of installed packages."""
    return BUILT_IN | {name: value for name, value in entry_points().items() if name not in BUILT_IN}


def row(value: str) -> Application:
    """The row that an entry of the table or an entry point stands for."""
    if value.partition(":")[2] != ROW:
        return Application(task=value)
    found = imported(value, "Application")
    if not isinstance(found, Application):
        raise YotoError(f"{value!r} should be a yoto.registry.Application. Found {type(found).__name__}.")
    return found


def find(name: str) -> Application | None:
    """The application of this name, built in or installed, or None.

    Names may come from a file, so nothing is imported because a file says so.
    """
    value = (BUILT_IN.get(name) or entry_points().get(name)) if name else None
    return None if value is None else row(value)


def named(name: str) -> Application:
    """As `find`.

    Raises:
        YotoError: If there is none.
    """
    found = find(name)
    if found is None:
        known = tuple(table())
        raise YotoError(
            f"`task` should be one of {', '.join(known)}. Found {name!r}.{near_misses(name, known)} "
            "A task of your own is given as module:Class (--task) or as an object."
        )
    return found


def applications(refused: Callable[[str], object]) -> dict[str, Application]:
    """All applications by name, the built-in ones first.

    Args:
        refused: Called with what is wrong with one, which is left out.
    """
    result: dict[str, Application] = {}
    for name, value in table().items():
        try:
            result[name] = row(value)
        except YotoError as error:
            refused(f"the application {name!r} is left out: {error}")
    return result


def folders(kind: str) -> dict[str, Path]:
    """Folders of models or recipes that applications bring, by application.

    Args:
        kind: "models" or "recipes".
    """
    found = {name: each.package for name, each in applications(str).items() if each.package is not None}
    return {name: Path(str(files(package))) / kind for name, package in found.items()}


# ---- a task and its options


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Check a task's options against its schema, where it has one, without importing torch."""
    entry = named(name)
    if entry.options is not None:
        from yoto.support.schema import validated

        validated(imported(entry.options, "Options"), options, "options")


def prepared(name: str, recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe's mapping as the task of this name completes it; as it is where the task does not or is unknown."""
    entry = find(name)
    return recipe if entry is None or entry.prepare is None else imported(entry.prepare, "Preparation")(recipe)


def option_names(name: str) -> tuple[str, ...]:
    """Names of a task's options, or () where it has no schema or is unknown."""
    entry = find(name)
    return () if entry is None or entry.options is None else tuple(imported(entry.options, "Options").model_fields)


def made(entry: Application, options: Mapping[str, Any]) -> BaseTask:
    """A task object from its row and options."""
    factory = imported(entry.task, "Task")
    if entry.options is not None:
        from yoto.support.schema import validated

        task = factory(validated(imported(entry.options, "Options"), options, "options"))
    else:
        try:
            task = factory(**options)
        except TypeError as error:
            if raised_inside(error):
                raise
            raise YotoError(f"`options` should be arguments of {entry.task}. Found {dict(options)}: {error}.") from None
    return complete(task)


def raised_inside(error: BaseException) -> bool:
    """Whether an error comes from inside the function that was called, not from arguments that do not fit it."""
    return error.__traceback__ is not None and error.__traceback__.tb_next is not None


def load_task(task: str | Task, options: Mapping[str, Any] | None = None) -> BaseTask:
    """A task object from its registered name (or the object itself) and its options.

    Raises:
        YotoError: For an unknown name or options that do not fit the task's schema.
    """
    return made(named(task), options or {}) if isinstance(task, str) else complete(task)


def typed_task(path: str, options: Mapping[str, Any] | None = None) -> BaseTask:
    """A task object from `module:Class` as the user typed it; never call this with a name read from a file."""
    return made(Application(task=path), options or {})
