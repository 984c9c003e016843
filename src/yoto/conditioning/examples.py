"""Example inputs of a network: their samples, and what a probing run changes in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example input (a tensor, a tuple of arguments or a mapping of keyword arguments) as arguments of a call."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example), {}) if isinstance(example, (tuple, list)) else ((example,), {})


def sample_count(inputs: Sequence[Any], batch_dim: int) -> int:
    """The number of samples B of a call's inputs: the size along `batch_dim` of their first tensor; 0 without one."""
    sizes = [t.shape[batch_dim] for t in inputs if isinstance(t, Tensor) and t.ndim > batch_dim]
    return int(sizes[0]) if sizes else 0


def sample_counts(inputs: Sequence[Any], batch_dim: int) -> list[int]:
    """The sizes from two on that tensors of a call's inputs have along `batch_dim`, in order, each once."""
    sizes = [t.shape[batch_dim] for t in inputs if isinstance(t, Tensor) and t.ndim > batch_dim]
    return list(dict.fromkeys(size for size in sizes if size > 1))


def first_list(inputs: Any) -> list[Tensor]:
    """The tensors of the list or tuple, within a call's arguments, that holds their first tensor; none without one."""
    for item in inputs:
        if isinstance(item, Tensor):
            return []
        if isinstance(item, (list, tuple)) and any(isinstance(each, Tensor) for each in item):
            return [each for each in item if isinstance(each, Tensor)]
    return []


def holds_samples(leaf: Any, batch_dim: int, samples: int) -> bool:
    """Whether a part of a call's inputs is a tensor with so many samples along `batch_dim`.

    A sparse one is taken for what all samples share (a graph), and has no rows to replace.
    """
    dense = isinstance(leaf, Tensor) and leaf.layout == torch.strided
    return dense and leaf.ndim > batch_dim and leaf.shape[batch_dim] == samples


def varied(leaves: Sequence[Any], batch_dim: int, samples: int) -> list[Any]:
    """The leaves of an input with content that differs from sample to sample: noise of the same size on floats."""
    generator = torch.Generator().manual_seed(0)

    def vary(leaf: Any) -> Any:
        if not holds_samples(leaf, batch_dim, samples):
            return leaf
        if leaf.is_floating_point():
            noise = torch.rand(leaf.shape, generator=generator, dtype=torch.float64).to(leaf.device, leaf.dtype)
            spread = leaf.detach().abs().mean() if leaf.numel() else leaf.new_ones(())
            other = leaf.detach() + noise * torch.where(spread > 0, spread, torch.ones_like(spread))
            return other.requires_grad_(leaf.requires_grad)
        if leaf.dtype != torch.bool and leaf.ndim > batch_dim + 1 and all_alike(leaf, batch_dim):
            rows = [row.roll(n, -1) for n, row in enumerate(leaf.unbind(batch_dim))]
            return torch.stack(rows, batch_dim)
        return leaf

    return [vary(leaf) for leaf in leaves]


def all_alike(leaf: Tensor, batch_dim: int) -> bool:
    """Whether all samples of a tensor are equal."""
    rows = leaf.unbind(batch_dim)
    return all(torch.equal(rows[0], row) for row in rows[1:])


def replaced(leaves: Sequence[Any], batch_dim: int, samples: int, number: int) -> list[Any]:
    """The leaves of an input with sample `number` replaced by a neighbour (what is sorted stays sorted: lengths of
    packed sequences), in every tensor that has samples.
    """
    other = number + 1 if number + 1 < samples else number - 1

    def replace(leaf: Any) -> Any:
        if not holds_samples(leaf, batch_dim, samples):
            return leaf
        result = leaf.clone()
        result.select(batch_dim, number).copy_(leaf.select(batch_dim, other))
        return result

    return [replace(leaf) for leaf in leaves]


def filled(leaves: Sequence[Any], batch_dim: int, samples: int, number: int) -> list[Any]:
    """The leaves of an input with one sample in the place of all."""

    def fill(leaf: Any) -> Any:
        if not holds_samples(leaf, batch_dim, samples):
            return leaf
        return leaf.narrow(batch_dim, number, 1).repeat_interleave(samples, batch_dim)

    return [fill(leaf) for leaf in leaves]


def longer(leaves: Sequence[Any], batch_dim: int, samples: int, again: int | None = None) -> list[Any]:
    """The leaves of an input with sample `again`, by default the last one, once more."""
    number = samples - 1 if again is None else again

    def grow(leaf: Any) -> Any:
        if not holds_samples(leaf, batch_dim, samples):
            return leaf
        return torch.cat(
            [leaf.narrow(batch_dim, 0, number + 1), leaf.narrow(batch_dim, number, samples - number)], batch_dim
        )

    return [grow(leaf) for leaf in leaves]


def disturbed(leaves: Sequence[Any], batch_dim: int, samples: int) -> list[Any] | None:
    """The leaves of an input with what may regroup rows changed for sample 0, as far as it goes: a number (a length, a
    class) is one less, a mask without exceptions gets one at its end. None where there is nothing of these.
    """
    result = list(leaves)
    for index, leaf in enumerate(leaves):
        if not holds_samples(leaf, batch_dim, samples) or leaf.is_floating_point() or leaf.is_complex():
            continue
        new = leaf.clone()
        row = new.select(batch_dim, 0)
        if row.numel() == 1 and leaf.dtype != torch.bool and bool(row > 1):
            row.sub_(1)
        elif row.numel() > 1 and bool((row == row.flatten()[0]).all()) and (leaf.dtype == torch.bool or row.max() == 1):
            row[(-1,) * row.ndim] = row.flatten()[0] == 0
        else:
            continue
        result[index] = new
    return None if all(new is old for new, old in zip(result, leaves, strict=True)) else result
