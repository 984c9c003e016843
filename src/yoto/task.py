"""What training and evaluation ask of an application."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import new_class
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args, runtime_checkable

from yoto.errors import YotoError
from yoto.support.directions import check_direction

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from yoto.data import Data

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@runtime_checkable
class Task(Protocol):
    """A plain network, its loss terms, its data and its metrics. The network knows nothing of λ.

    The network comes bound: `net` below is `model.at(λ)` of a conditional model or a plain network that was trained
    for one λ, so that the same lines serve both. What else a task may offer, with defaults, is in `BaseTask`.

    >>> import torch
    >>> from yoto.data import ArrayData
    >>> class Ridge(BaseTask):
    ...     def network(self):
    ...         return torch.nn.Linear(2, 3)
    ...     def terms(self, net, batch, at):
    ...         return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    ...     def data(self, split):
    ...         return ArrayData(torch.rand({"train": 64, "validation": 8, "test": 8}[split], 2))
    >>> task = Ridge()
    >>> isinstance(task, Task), len(task.data("train"))
    (True, 64)
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


def lacking(task: object, method: str) -> YotoError:
    """The error for a task that lacks a method that is needed."""
    return YotoError(
        f"A task should have the methods network, terms and data. Found no {method!r} in {type(task).__name__}."
    )


class BaseTask(ABC):
    """A `Task` with defaults for all that is optional.

    Attributes:
        units: Units of terms, metrics and "loss", which figures say.
        symbols: Symbols of loss parameters, likewise.
        better: Which way metrics are better, "lower" or "higher", by name.
    """

    units: Mapping[str, str] = {}
    symbols: Mapping[str, str] = {}
    better: Mapping[str, str] = {}

    @abstractmethod
    def network(self) -> nn.Module:
        """See `Task`."""
        raise lacking(self, "network")

    @abstractmethod
    def terms(self, net: Any, batch: Any, at: Tensor) -> dict[str, Tensor]:
        """See `Task`."""
        raise lacking(self, "terms")

    @abstractmethod
    def data(self, split: Split) -> Data:
        """See `Task`."""
        raise lacking(self, "data")

    def metrics(self, net: Any, batch: Any, at: Tensor) -> dict[str, Tensor]:
        """See `Task`; none."""
        return {}

    def picture(self, net: Any, at: Tensor, *, seed: int) -> np.ndarray | None:
        """See `Task`; none."""
        return None

    def start(self, model: nn.Module, data: Data, at: Tensor | None) -> None:  # noqa: B027 - most have nothing to do
        """Set a new model's state from the training data before the first step.

        Args:
            model: `Conditional`, or plain.
            data: The training data.
            at: λ [D] of a plain network.
        """

    def extras(self, model: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON-able facts that travel in the bundle of a conditional model."""
        return {}, {}

    def floor(self, split: Split) -> Mapping[str, float] | None:
        """A lower bound of each term's mean over a split, or None; regret is then also reported over it."""
        return None

    def scores(self, net: Any, *, seed: int) -> Mapping[str, float]:
        """Numbers of the network as a whole, not per sample (disentanglement, say)."""
        return {}

    def examples(self, method: str) -> dict[str, Tensor]:
        """Example inputs of a method of the network by argument name, for export.

        Raises:
            YotoError: If the task gives none.
        """
        raise YotoError(
            "The model's task should have a method `examples` to be exported here. Use yoto.export.export in Python."
        )

    def dynamic(self, method: str) -> dict[str, dict[int, str]] | None:
        """Axes of the example inputs that may have any size beside the batch, with their names."""
        return None


def refuse_class(task: object) -> None:
    """Refuse a class where a task is wanted."""
    if isinstance(task, type):
        raise YotoError(f"A task should be an object, {task.__name__}(…). Found the class.")


def path_of(task: object) -> str:
    """Where the class of a task is, as `module:Class`, or "" where no other program could import it from there.

    >>> path_of(object())
    'builtins:object'
    """
    kind = type(task)
    kind = next((plain for plain, full in COMPLETED.items() if full is kind), kind)
    reachable = kind.__module__ != "__main__" and "<locals>" not in kind.__qualname__
    return f"{kind.__module__}:{kind.__qualname__}" if reachable else ""


COMPLETED: dict[type, type] = {}


def complete(task: Task) -> BaseTask:
    """A task as a `BaseTask`: itself where it is one, else with the defaults behind its own methods and attributes.

    What it lacks of the needed methods is missed where it is called.

    Raises:
        YotoError: If it is a class, or `better` holds what is no direction.

    >>> class Plain:
    ...     def __init__(self):
    ...         self.asked = 0
    ...     def network(self): ...
    ...     def terms(self, net, batch, at): ...
    ...     def data(self, split): ...
    ...     def floor(self, split):
    ...         self.asked += 1
    ...         return {"fit": 0.5}
    >>> plain = Plain()
    >>> full = complete(plain)
    >>> full.floor("test"), full.scores(None, seed=0), plain.asked
    ({'fit': 0.5}, {}, 1)
    """
    refuse_class(task)
    for name, better in getattr(task, "better", {}).items():
        check_direction(repr(name), better)
    if isinstance(task, BaseTask):
        return task
    kind = type(task)
    if kind not in COMPLETED:
        COMPLETED[kind] = new_class(kind.__name__, (kind, BaseTask))
        COMPLETED[kind].__abstractmethods__ = frozenset()  # type: ignore[attr-defined]  # measuring takes terms alone
    full: Any = object.__new__(COMPLETED[kind])
    full.__dict__ = task.__dict__  # one state, whichever of the two is asked
    return cast(BaseTask, full)
