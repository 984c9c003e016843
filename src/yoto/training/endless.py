"""Training batches without an end, from whatever can be passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from yoto.curves.batches import moved
from yoto.data import ArrayData, Data
from yoto.errors import YotoError
from yoto.support.numbers import check_whole
from yoto.support.seeds import generator
from yoto.training.order import Order

BATCH = 128
"""Examples per step of a tensor or `Data`, where nothing is said."""


def endless(given: Any, *, batch: int | None, seed: int, device: torch.device) -> Iterator[Any]:
    """Batches on a device for as many steps as wanted.

    Args:
        given: A `Data` or a tensor [N, ...] of examples, which are visited in a new order in every epoch (`Data` with
            its augmentation); or an iterable of batches, which is gone over again and again.
        batch: Examples per step of a `Data` or tensor, `BATCH` if None.
        seed: Of order and augmentation.
        device: Where batches go.

    Raises:
        YotoError: If it is none of these; while iterating, if there is no batch, or an iterator is at its end.
    """
    if batch is not None:
        check_whole("batch", batch)
    if isinstance(given, Tensor):
        given = ArrayData(given)
    if isinstance(given, Data):
        return drawn(given.to(device), batch or BATCH, seed)
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping)):
        raise YotoError(
            "`batches` should be a DataLoader, a list of batches, a tensor of examples or a yoto Data. "
            f"Found {type(given).__name__}."
        )
    if batch is not None:
        raise YotoError("`batch` should be left out with batches that are made already. Found both.")
    return repeated(given, device)


def drawn(data: Data, batch: int, seed: int) -> Iterator[Any]:
    """Batches of a `Data` in the order of a training run."""
    order, step = Order(len(data), batch, seed), 0
    while True:
        yield data.batch(order.indices(step), generator(seed, "augment", step))
        step += 1


def repeated(given: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """The batches of an iterable, from the start again at its end."""
    done, spent = 0, False
    while True:
        source, before = iter(given), done
        if source is given and spent:
            raise YotoError(
                f"`batches` should last for all steps, or be something that can be passed over again, such as a "
                f"DataLoader or a list. Found an iterator, at its end after {done} batches."
            )
        spent = True
        for examples in source:
            yield moved(examples, device)
            done += 1
        if done == before:
            raise YotoError("`batches` should give at least one batch. Found none: an empty loader, or one at its end.")
