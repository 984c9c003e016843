"""What a network keeps from call to call beside its parameters: to see whether a call changes it, and to put it back.

Hidden states, membrane potentials, counters, queues, running values: in attributes, in buffers, in containers and
records of these, and the random numbers of generators of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from yoto.conditioning.containers import COPIED, LOOKED_INTO, TORCHS
from yoto.conditioning.references import DEPTH, is_record

ASIDE = TORCHS | {"forward"}
"""Attributes that are no state: those of every module, and where somebody listens (`taps`)."""


class State:
    """The state of a network as it is now.

    Args:
        net: The network.
    """

    def __init__(self, net: nn.Module) -> None:
        self.entries: list[tuple[dict[str, Any], dict[str, Any]]] = []
        seen: set[int] = set()
        for holder in holders(net):
            own = {name: value for name, value in holder.items() if name not in ASIDE}
            self.entries.append((holder, {name: kept(value, seen) for name, value in own.items()}))

    def changed(self) -> bool:
        """Whether it is another by now."""
        return any(
            holder.keys() - ASIDE != values.keys()
            or any(holder[name] is not value.value or value.changed() for name, value in values.items())
            for holder, values in self.entries
        )

    @torch.no_grad()
    def put_back(self) -> None:
        """Make it what it was."""
        for holder, values in self.entries:
            for name in holder.keys() - ASIDE - values.keys():
                del holder[name]
            for name, value in values.items():
                holder[name] = value.value
                if value.changed():
                    value.put_back()


def holders(net: nn.Module) -> Iterator[dict[str, Any]]:
    """The dictionaries that hold a network's attributes and buffers."""
    for module in net.modules():
        yield module.__dict__
        yield module.__dict__["_buffers"]


class Kept:
    """A value that has no state in it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def changed(self) -> bool:
        """Whether its contents are others by now."""
        return False

    def put_back(self) -> None:
        """Give it the contents that it had."""


class KeptTensor(Kept):
    """A tensor."""

    def __init__(self, value: Tensor) -> None:
        super().__init__(value)
        self.version, self.numbers = version(value), value.detach().clone()

    def changed(self) -> bool:
        return version(self.value) != self.version

    def put_back(self) -> None:
        if self.value.shape == self.numbers.shape:
            self.value.copy_(self.numbers)
        self.version = version(self.value)


class KeptStream(Kept):
    """A generator of random numbers, of torch, numpy or Python."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.place = self.now()

    def now(self) -> Any:
        """Where its stream is."""
        if isinstance(self.value, torch.Generator):
            return self.value.get_state()
        return self.value.getstate() if isinstance(self.value, random.Random) else self.value.bit_generator.state

    def changed(self) -> bool:
        now = self.now()
        return not torch.equal(now, self.place) if isinstance(now, Tensor) else bool(str(now) != str(self.place))

    def put_back(self) -> None:
        if isinstance(self.value, torch.Generator):
            self.value.set_state(self.place)
        elif isinstance(self.value, random.Random):
            self.value.setstate(self.place)
        else:
            self.value.bit_generator.state = self.place


class KeptContents(Kept):
    """A container or a record: its entries, by key or in their order."""

    def __init__(self, value: Any, seen: set[int], depth: int) -> None:
        super().__init__(value)
        self.inside = vars(value) if is_record(value) else value
        deep = 0 if len(self.inside) > LOOKED_INTO else depth
        self.keys = list(self.inside) if isinstance(self.inside, dict) else None
        items = self.inside.values() if isinstance(self.inside, dict) else self.inside
        self.items = [kept(item, seen, deep) for item in items]

    def changed(self) -> bool:
        if isinstance(self.inside, set):
            return self.inside != {item.value for item in self.items}
        now = list(self.inside.values() if isinstance(self.inside, dict) else self.inside)
        same = len(now) == len(self.items) and (self.keys is None or list(self.inside) == self.keys)
        pairs = zip(now, self.items, strict=False)
        return not same or any(value is not item.value or item.changed() for value, item in pairs)

    def put_back(self) -> None:
        values = [item.value for item in self.items]
        self.inside.clear()
        if self.keys is not None:
            self.inside.update(zip(self.keys, values, strict=True))
        elif isinstance(self.inside, set):
            self.inside.update(values)
        else:
            self.inside.extend(values)
        for item in self.items:
            if item.changed():
                item.put_back()


def kept(value: Any, seen: set[int], depth: int = DEPTH) -> Kept:
    """A value with what is in it, but for that which was come upon before.

    Args:
        seen: The ids of that; this value's is added.
    """
    if id(value) in seen or isinstance(value, (nn.Module, nn.Parameter)):
        return Kept(value)
    make: Callable[[], Kept] | None = None
    if isinstance(value, Tensor):
        make = None if value.is_inference() else partial(KeptTensor, value)
    elif isinstance(value, (torch.Generator, np.random.Generator, random.Random)):
        make = partial(KeptStream, value)
    elif depth and (type(value) in COPIED or is_record(value)):
        make = partial(KeptContents, value, seen, depth - 1)
    if make is None:
        return Kept(value)
    seen.add(id(value))
    return make()


def version(value: Tensor) -> int:
    """How often a tensor was changed in place."""
    return value._version
