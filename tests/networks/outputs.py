"""Outputs of any network as named tensors, and which of their elements belong to which sample of the batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

Call = Callable[[Any], Any]


def named(value: Any, name: str = "", depth: int = 6) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in containers, dataclasses and plain objects, with where it was found."""
    inside: Any = ()
    if isinstance(value, Tensor):
        yield name or "output", value
    elif depth and isinstance(value, Mapping):
        inside = value.items()
    elif depth and isinstance(value, (list, tuple)):
        inside = enumerate(value)
    elif depth and dataclasses.is_dataclass(value):
        inside = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    elif depth and hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        inside = vars(value).items()
    for key, item in inside:
        yield from named(item, f"{name}.{key}" if name else str(key), depth - 1)


def tensors(value: Any) -> dict[str, Tensor]:
    """The floating tensors of an output by name, complex ones as pairs of real numbers."""
    found = {n: torch.view_as_real(t) if t.is_complex() else t for n, t in named(value)}
    return {n: t for n, t in found.items() if t.is_floating_point() and t.numel()}


def deviation(found: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, relative to the largest expected magnitude; infinite where shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    if not expected.numel():
        return 0.0
    expected = expected.detach().double()
    result = (found.detach().double() - expected).abs().max() / expected.abs().max().clamp_min(1e-12)
    return float(result) if torch.isfinite(result) else float("inf")


def largest(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[float, str]:
    """The largest deviation of any tensor and its name; infinite where the names differ."""
    if set(found) != set(expected):
        return float("inf"), f"{len(found)} tensors in place of {len(expected)}"
    return max(((deviation(found[n], expected[n]), n) for n in expected), default=(0.0, ""))


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Example inputs of a network, with the axis that holds the samples.

    Attributes:
        values: Positional arguments (a tuple) or keyword arguments (a dict), in any nesting.
        batch_dim: Axis of every input tensor that holds the samples.
        shared: Numbers of the tensors, in order, that hold no samples.
    """

    values: Any
    batch_dim: int = 0
    shared: tuple[int, ...] = ()

    def map(self, change: Callable[[Tensor, bool], Tensor]) -> Inputs:
        """The inputs with `change(tensor, whether it holds samples)` in place of every tensor."""
        leaves, spec = pytree.tree_flatten(self.values)
        count, new = 0, []
        for leaf in leaves:
            if isinstance(leaf, Tensor):
                leaf, count = change(leaf, count not in self.shared), count + 1
            new.append(leaf)
        return dataclasses.replace(self, values=pytree.tree_unflatten(new, spec))

    def take(self, rows: Sequence[int]) -> Inputs:
        """Chosen samples."""
        index = torch.tensor(rows)
        return self.map(lambda t, samples: t.index_select(self.batch_dim, index) if samples else t)

    def replaced(self, sample: int) -> Inputs:
        """One sample replaced by the one behind it (scaled, where it is no integer)."""

        def change(tensor: Tensor, samples: bool) -> Tensor:
            if not samples:
                return tensor
            tensor = tensor.clone()
            other = tensor.select(self.batch_dim, (sample + 1) % tensor.shape[self.batch_dim]).clone()
            factor = 0.9 if tensor.is_floating_point() else 1
            tensor.select(self.batch_dim, sample).copy_(other * factor if tensor.dtype != torch.bool else other)
            return tensor

        return self.map(change)

    def double(self) -> Inputs:
        """Floating inputs in float64."""
        return self.map(lambda t, _: t.double() if t.is_floating_point() else t)

    @property
    def size(self) -> int:
        """Number of samples."""
        sizes: list[int] = []
        self.map(lambda t, samples: (sizes.append(t.shape[self.batch_dim]) if samples else None, t)[1])
        return sizes[0]


@dataclasses.dataclass(frozen=True)
class Owner:
    """Which sample each element of an output tensor belongs to: an axis with a layout, or a mask for each sample."""

    axis: int | None
    tiled: bool
    masks: Tensor | None

    def assemble(self, parts: Sequence[Tensor]) -> Tensor:
        """The tensor whose elements come from the part of their own sample; others from the first part."""
        if self.axis is None:
            assert self.masks is not None
            result = parts[0].clone()
            for mask, part in zip(self.masks, parts, strict=True):
                result = torch.where(mask, part, result)
            return result
        count, length = len(parts), parts[0].shape[self.axis]
        places = torch.arange(length)
        owners = places % count if self.tiled else places // (length // count)
        slices = [parts[int(o)].select(self.axis, i) for i, o in enumerate(owners)]
        return torch.stack(slices, self.axis)

    def restrict(self, tensor: Tensor) -> Tensor:
        """The elements that belong to a sample; zero elsewhere."""
        return tensor if self.masks is None or self.axis is not None else tensor * self.masks.any(0)


def owners(run: Call, inputs: Inputs) -> tuple[dict[str, Owner], dict[str, str]]:
    """The owner of every output tensor, by perturbing one sample at a time, and why others have none.

    `run(values)` is the plain network in evaluation mode, deterministic, in float64 where that works.
    """
    base, size = tensors(run(inputs.values)), inputs.size
    changed: dict[str, list[Tensor]] = {name: [] for name in base}
    for sample in range(size):
        other = tensors(run(inputs.replaced(sample).values))
        for name, tensor in base.items():
            noise = 1e-11 if tensor.dtype == torch.float64 else 1e-6
            changed[name].append((other[name] - tensor).abs() > noise * tensor.abs().max())
    found: dict[str, Owner] = {}
    without: dict[str, str] = {}
    for name, masks in changed.items():
        stacked = torch.stack(masks)
        several = stacked.sum(0) > 1
        if not all(mask.any() for mask in masks):
            without[name] = "depends on no sample"
            continue
        owner = by_axis(stacked)
        if owner is None and bool((stacked & ~several).flatten(1).any(1).all()):
            owner = Owner(None, False, stacked & ~several)
        if owner is None:
            without[name] = "mixes the samples"
        else:
            found[name] = owner
    return found, without


def by_axis(changed: Tensor) -> Owner | None:
    """The axis whose slices hold one sample each, from a mask for each sample [B, …]; None if there is none."""
    size = changed.shape[0]
    for axis in range(changed.ndim - 1):
        length = changed.shape[axis + 1]
        if length % size:
            continue
        others = [d for d in range(1, changed.ndim) if d != axis + 1]
        hits = changed.sum(others) > 0 if others else changed  # [B, length]
        for tiled in (False, True):
            places = torch.arange(length)
            owner = places % size if tiled else places // (length // size)
            expected = owner[None] == torch.arange(size)[:, None]
            if not (hits & ~expected).any():
                return Owner(axis, tiled, None)
    return None
