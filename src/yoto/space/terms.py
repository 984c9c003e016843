"""Loss terms by name as one tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from yoto.errors import YotoError, near_misses

if TYPE_CHECKING:
    from torch import Tensor


def stacked(terms: Mapping[str, Tensor], weights: Sequence[str]) -> Tensor:
    """Terms by name, each [B], as one tensor [B, W] in the order of `weights`.

    Raises:
        YotoError: If names do not match, or a term is not one number per sample.
    """
    import torch

    for name in terms:
        if name not in weights:
            raise YotoError(
                f"Loss term {name!r} has no weight in this loss space, which weighs {', '.join(weights)}."
                f"{near_misses(name, tuple(weights))}"
            )
    missing = [w for w in weights if w not in terms]
    if missing:
        raise YotoError(f"Loss terms should include {', '.join(missing)}. Found {', '.join(terms) or 'none'}.")
    for name, term in terms.items():
        if term.ndim != 1:
            raise YotoError(
                f"Loss term {name!r} should hold one number per sample, shape [B]. Found shape {tuple(term.shape)}. "
                "Reduce over everything but the batch dimension."
            )
    sizes = {n: len(t) for n, t in terms.items()}
    if len(set(sizes.values())) > 1:
        raise YotoError(f"Loss terms should have one number per sample each. Found {sizes}.")
    return torch.stack([terms[w] for w in weights], dim=1)
