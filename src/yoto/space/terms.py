"""Loss terms as they are given, and as a tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError, near_misses

if TYPE_CHECKING:
    from torch import Tensor


def check_terms(terms: Any) -> Mapping[str, Tensor]:
    """Refuse loss terms that are no mapping of names to tensors.

    Raises:
        YotoError: Saying what they are.
    """
    from torch import Tensor

    if not isinstance(terms, Mapping):
        raise YotoError(
            "Loss terms should be tensors by name, such as {'fit': [B], 'kl': [B]}. "
            f"Found {'a ' if terms is not None else ''}{type(terms).__name__}."
        )
    for name, term in terms.items():
        if not isinstance(term, Tensor):
            raise YotoError(
                f"Loss term {name!r} should be a tensor, one number per sample, shape [B]. Found {type(term).__name__}."
            )
        if term.is_complex():
            raise YotoError(f"Loss term {name!r} should hold real numbers. Found complex ones: take their .abs(), say.")
    return terms


def stacked(weights: Sequence[str], terms: Mapping[str, Tensor]) -> Tensor:
    """Terms [B] as one tensor [B, W] in the order of `weights`; errors as of `LossSpace.stack`."""
    import torch

    check_terms(terms)
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
                f"Loss term {name!r} should hold one number per sample, shape [B]. "
                f"Found shape {tuple(term.shape)}. "
                "Reduce over everything but the batch dimension."
            )
    sizes = {n: len(t) for n, t in terms.items()}
    if len(set(sizes.values())) > 1:
        raise YotoError(f"Loss terms should have one number per sample each. Found {sizes}.")
    return torch.stack([terms[w] for w in weights], dim=1)
