"""How many samples an example holds, where its tensors disagree, and whether a list of tensors is one of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from yoto.conditioning.copies import copied
from yoto.conditioning.evidence import Call
from yoto.conditioning.examples import first_list, longer, sample_count, sample_counts
from yoto.conditioning.probing import OUTPUTS, tried
from yoto.conditioning.state import State
from yoto.errors import YotoError


def counted(net: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], batch_dim: int) -> int:
    """The number of samples of an example: of its first tensor, unless the outputs grow with what others hold.

    Where tensors disagree, or the first is in a list, a copy of the network runs on the example and on longer ones.

    Raises:
        YotoError: If a list of tensors may be one of samples.
    """
    leaves, spec = pytree.tree_flatten((tuple(args), dict(kwargs)))
    first = sample_count(leaves, batch_dim)
    if any(isinstance(leaf, Tensor) and leaf.is_nested for leaf in leaves):
        return first
    sizes, listed = sample_counts(leaves, batch_dim), first_list([*args, *kwargs.values()])
    if len(sizes) < 2 and not listed:
        return first
    grown = growing(net, leaves, spec, batch_dim, sizes)
    best = next((size for size in sizes if grown.get(size) == ALONG), first)
    ragged = len(sample_counts(listed, batch_dim)) > 1
    doubtful = {FAILS, *([ACROSS] if batch_dim == 0 else ()), *([STAYS] if ragged else ())}
    if listed and grown.get(best) in doubtful:
        raise YotoError(
            f"`example` should hold its samples along axis {batch_dim} of tensors. Found a list of {len(listed)} "
            f"tensors, the first of shape {tuple(listed[0].shape)}, with which no output grows along that axis: "
            "usually each is one sample. Condition without an example, or a network that takes them as one tensor."
        )
    return best


FAILS, STAYS, ACROSS, ALONG = range(-1, 3)
"""What a network does with a sample more: it fails, no output grows with the samples, one does along another axis, or
along that of the samples.
"""


def growing(net: nn.Module, leaves: Sequence[Any], spec: Any, batch_dim: int, sizes: Sequence[int]) -> dict[int, int]:
    """What the network does with a sample more, for each number of samples until one explains its outputs.

    Empty where the network does not run on the inputs at all.
    """
    shadow = copied(net)
    state = State(shadow)
    base = tried(shadow, leaves, spec, (), state).get(OUTPUTS)
    result: dict[int, int] = {}
    for size in sizes if base is not None else ():
        more = tried(shadow, longer(leaves, batch_dim, size), spec, (), state).get(OUTPUTS)
        pairs = zip(base or (), more or (), strict=False)
        result[size] = FAILS if more is None else max((grows(*pair, batch_dim, size) for pair in pairs), default=STAYS)
        if result[size] == ALONG:
            break
    return result


def grows(call: Call, other: Call, batch_dim: int, samples: int) -> int:
    """How an output grows with a sample more."""
    before, after = call.output.shape, other.output.shape
    if len(before) != len(after):
        return STAYS
    axes = [axis for axis, size in enumerate(before) if size and after[axis] * samples == size * (samples + 1)]
    return ALONG if batch_dim in axes else ACROSS if axes else STAYS
