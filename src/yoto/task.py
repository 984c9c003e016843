"""What training and evaluation ask of an application, and where applications are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from yoto.errors import YotoError, near_misses

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from yoto.data import Data

Split = Literal["train", "validation", "test"]


@runtime_checkable
class Task(Protocol):
    """A plain network, its loss terms, its data and its metrics. The network knows nothing of λ.

    The network comes bound: `net` below is `model.at(λ)` of a conditional model or a plain network that was trained
    for one λ, so that the same lines serve both.

    Optional: `start(model, data, at)` sets a new model's weights from the training data before the first step (`at`:
    λ of a plain network); `extras(model) -> (dict[str, Tensor], dict)` are tensors and facts that travel in the bundle
    of a conditional model; `floor(split) -> dict[str, float] | None` a lower bound of each term's mean; regret is then
    also reported over it; `scores(net, *, seed) -> dict[str, float]` numbers of the network as a whole, not per sample
    (disentanglement); `examples(method) -> dict[str, Tensor]` example inputs of the network's methods by argument
    name, for export, and `dynamic(method) -> dict[str, dict[int, str]]` their axes of any size; `units` (of terms,
    metrics and "loss") and `symbols` (of parameters) are what figures say.
    """

    def network(self) -> nn.Module:
        """A new network, initialised from torch's global random stream."""
        ...

    def terms(self, net: Any, batch: Any, at: Tensor) -> dict[str, Tensor]:
        """Loss terms by name, each [B], of a batch; `at` is λ [B, D] or [D], for losses with other parameters."""
        ...

    def metrics(self, net: Any, batch: Any, at: Tensor) -> dict[str, Tensor]:
        """Further numbers per sample, each [B], for evaluation; may be empty."""
        ...

    def data(self, split: Split) -> Data:
        """The examples of a split."""
        ...

    def picture(self, net: Any, at: Tensor, *, seed: int) -> np.ndarray | None:
        """A look at what the network does at one λ: uint8 [H, W, 3], or None."""
        ...


@dataclass(frozen=True)
class TaskEntry:
    """Where a task's class and the schema of its options are (`module:Name`; the schema imports no torch).

    `prepare`, if given, completes a recipe's mapping before it is checked, say by names that its options stand for.
    """

    task: str
    options: str | None = None
    prepare: str | None = None


BUILT_IN: dict[str, TaskEntry] = {
    "vae": TaskEntry("yoto.apps.vae.task:VAETask", "yoto.apps.vae.options:VAEOptions"),
    "compression": TaskEntry("yoto.apps.codec.task:CompressionTask", "yoto.apps.codec.options:CompressionOptions"),
    "style": TaskEntry(
        "yoto.apps.style.task:StyleTask", "yoto.apps.style.options:StyleOptions", "yoto.apps.style.options:prepare"
    ),
}
GROUP = "yoto.apps"
"""Entry-point group in which other packages name their tasks."""


def imported(path: str) -> Any:
    """The object at `module:Name`."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise YotoError(f"Task {path!r} should be importable as module:Name. Found: {error}.") from None


def named(name: str) -> TaskEntry:
    """The entry of a built-in task or of one that an installed package registers under `yoto.apps`.

    Names may come from a file, so nothing is imported because a file says so.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    from importlib.metadata import entry_points  # half as slow to import as everything else here

    installed = {e.name: e.value for e in entry_points(group=GROUP)}
    if name in installed:
        return TaskEntry(installed[name])
    known = (*BUILT_IN, *installed)
    raise YotoError(
        f"`task` should be one of {', '.join(known)}. Found {name!r}.{near_misses(name, known)} "
        "A task of your own is given as module:Class (--task) or as an object."
    )


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Check a task's options against its schema, where it has one, without importing torch."""
    entry = named(name)
    if entry.options is not None:
        from yoto.support.schema import validated

        validated(imported(entry.options), options, "options")


def prepared(name: str, recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe's mapping as the task of this name completes it; as it is where the task does not or is unknown."""
    entry = BUILT_IN.get(name)
    return recipe if entry is None or entry.prepare is None else imported(entry.prepare)(recipe)


def option_names(name: str) -> tuple[str, ...]:
    """Names of a task's options, or () where it has no schema or is unknown."""
    entry = named(name) if name in BUILT_IN else TaskEntry(name)
    return tuple(imported(entry.options).model_fields) if entry.options is not None else ()


def made(entry: TaskEntry, options: Mapping[str, Any]) -> Task:
    """A task object from its entry and options."""
    factory = imported(entry.task)
    if entry.options is not None:
        from yoto.support.schema import validated

        return cast(Task, factory(validated(imported(entry.options), options, "options")))
    try:
        return cast(Task, factory(**options))
    except TypeError as error:
        raise YotoError(f"`options` should be arguments of {entry.task}. Found {dict(options)}: {error}.") from None


def load_task(task: str | Task, options: Mapping[str, Any] | None = None) -> Task:
    """A task object from its registered name (or the object itself) and its options.

    Raises:
        YotoError: For an unknown name or options that do not fit the task's schema.
    """
    return made(named(task), options or {}) if isinstance(task, str) else task


def typed_task(path: str, options: Mapping[str, Any] | None = None) -> Task:
    """A task object from `module:Class` as the user typed it; never call this with a name read from a file."""
    return made(TaskEntry(path), options or {})
