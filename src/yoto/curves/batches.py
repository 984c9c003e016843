"""Any batches that can be passed over: a DataLoader, a list, a `Data`, one tensor of examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from yoto.data import ArrayData, Data
from yoto.errors import YotoError
from yoto.support.numbers import check_whole
from yoto.support.seeds import seed_all

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 500
"""Examples per batch of a `Data`, where nothing is said."""


@dataclass(frozen=True)
class Pass:
    """One batch of a pass: its examples on the device, how many they are, and which batch of the pass it is."""

    examples: Any
    size: int | None
    number: int


class Batches:
    """Batches that can be passed over, once per call of `passes`.

    Args:
        given: A `Data`, a tensor [N, ...] of examples, or an iterable of batches (tensors, or tuples, lists or mappings
            of tensors whose first dimension holds the samples).
        batch: Examples per batch of a `Data` or tensor; 500 if None.
        limit: The first so many examples only.
        device: Where batches go.

    Raises:
        YotoError: If there is nothing to pass over, or a number is below 1.
    """

    def __init__(self, given: Any, *, batch: int | None, limit: int | None, device: torch.device) -> None:
        if isinstance(given, Tensor):
            given = ArrayData(given)
        self.data = given.to(device) if isinstance(given, Data) else None
        if hasattr(given, "__array__") and not isinstance(given, Data):
            raise YotoError(
                "`batches` should be a tensor where it is one array: torch.from_numpy(array). "
                f"Found {type(given).__name__}."
            )
        if self.data is None and (not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping))):
            raise YotoError(
                "`batches` should be a DataLoader, a list of batches, a tensor of examples or a yoto Data. "
                f"Found {type(given).__name__}."
            )
        if self.data is None and batch is not None:
            raise YotoError("`batch` should be left out with batches that are made already. Found both.")
        for name, value in (("batch", batch), ("limit", limit)):
            if value is not None:
                check_whole(name, value)
        self.given, self.limit, self.device = given, limit, device
        self.batch = (batch or BATCH) if self.data is not None else None
        self.total = self.count()
        self.spent = False
        self.seen: int | None = None

    def count(self) -> int | None:
        """How many examples a pass has, where that is known before it."""
        try:
            number = len(self.data) if self.data is not None else len(self.given.dataset)
        except (AttributeError, TypeError):
            sizes = [samples(each) for each in self.given] if type(self.given) in (list, tuple) else []
            number = 0 if None in sizes else sum(filter(None, sizes))
            if not number:
                return None
        if number == 0:
            raise YotoError("`batches` should hold at least one example. Found none.")
        return number if self.limit is None else min(number, self.limit)

    def passes(self, seed: int) -> Iterator[Pass]:
        """The batches of one pass; a loader that shuffles does so in the same order each time.

        Raises:
            YotoError: If there are none, which an iterator that was passed over has, or fewer or more than before.
        """
        if self.data is not None:
            assert self.batch is not None
            assert self.total is not None
            for number, rows in enumerate(torch.split(torch.arange(self.total), self.batch)):
                yield Pass(self.data.batch(rows, None), len(rows), number)
            return
        with unmoved(self.given):
            yield from self.made(seed)

    def made(self, seed: int) -> Iterator[Pass]:
        """The batches of one pass over an iterable."""
        seed_all(seed)
        source, number, done = iter(self.given), -1, 0
        if source is self.given and self.spent:
            raise YotoError(
                "`batches` should be something that can be passed over again, such as a DataLoader or a list. Found "
                "an iterator, which is at its end after one pass."
            )
        self.spent = True
        for number, examples in enumerate(source):
            size = samples(examples)
            if self.limit is not None and size is not None and done + size > self.limit:
                examples, size = first(examples, size, self.limit - done), self.limit - done
            yield Pass(moved(examples, self.device), size, number)
            done += size or 0
            if self.limit is not None and done >= self.limit:
                break
        if number < 0:
            raise YotoError("`batches` should give at least one batch. Found none: an empty loader, or one at its end.")
        if self.seen not in (None, done):
            raise YotoError(
                "`batches` should give the same samples in every pass, so that one λ can be held against another. "
                f"Found {self.seen} in the first and {done} in a later one: a loader that ends early."
            )
        self.seen = done


@contextmanager
def unmoved(loader: Any) -> Iterator[None]:
    """A block after which a loader's own generator is where it was: every pass shuffles alike, training as before."""
    generator = getattr(loader, "generator", None)
    if not isinstance(generator, torch.Generator):
        yield
        return
    state = generator.get_state()
    try:
        yield
    finally:
        generator.set_state(state)


def mapped(examples: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same structure with a function applied to its tensors."""
    if isinstance(examples, Tensor):
        return function(examples)
    if isinstance(examples, Mapping):
        return like(examples, {name: mapped(value, function) for name, value in examples.items()})
    if isinstance(examples, tuple) and hasattr(examples, "_fields"):
        return type(examples)(*(mapped(value, function) for value in examples))
    if isinstance(examples, (tuple, list)):
        return type(examples)(mapped(value, function) for value in examples)
    return examples


def like(given: Mapping[Any, Any], values: dict[Any, Any]) -> Mapping[Any, Any]:
    """The values in a mapping of the same class, whose attributes terms may use, where one can be made; else a dict."""
    with suppress(Exception):  # whatever a class of somebody else's raises
        made: Any = type(given)(values)  # type: ignore[call-arg]
        if len(made) == len(values) and all(made[name] is value for name, value in values.items()):
            return cast("Mapping[Any, Any]", made)
    if isinstance(given, dict):
        result = copy(given)
        result.update(values)
        return result
    return values


def copied(examples: Any) -> Any:
    """Examples with tensors of their own: a network may change its inputs in place (`x.sub_(mean)`), and the next λ
    should see them as they were.
    """
    return mapped(examples, Tensor.clone)


def moved(examples: Any, device: torch.device) -> Any:
    """Examples on a device."""
    return mapped(examples, lambda tensor: tensor.to(device, non_blocking=True))


def samples(examples: Any) -> int | None:
    """How many samples a batch has: the length of its first tensor, or None where it has none."""
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        if tensor.ndim:
            sizes.append(len(tensor))
        return tensor

    mapped(examples, note)
    return sizes[0] if sizes else None


def first(examples: Any, size: int, count: int) -> Any:
    """The first `count` samples of a batch of `size`."""
    return mapped(examples, lambda tensor: tensor[:count] if tensor.ndim and len(tensor) == size else tensor)
