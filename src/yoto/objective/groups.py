"""Loss terms of groups of samples, such as a gap between their rates, with a λ for every sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from yoto.errors import YotoError
from yoto.space import LossSpace
from yoto.space.checking import check_lam
from yoto.support.numbers import check_real

FARTHEST = -60.0
"""Lowest logarithm of a member's share: members that are further count alike, so that no sample is without any."""


def group_means(values: Tensor, members: Tensor, at: Tensor, space: LossSpace, *, width: float = 0.2) -> Tensor:
    """The mean of `values` in each group, as it is at every sample's own λ: [B, G].

    A quantity of groups, such as the share of positive decisions among women, exists per batch. With a λ for every
    sample each member stands for the network at another λ, so that a mean over the batch would be that of the mixture,
    and its gradient would not depend on λ. This is the mean over the members, weighted by a Gaussian of the distance
    between their λ and the sample's (Nadaraya-Watson). Of it, a term per sample is made that may be weighted as any
    other, such as `(means[:, 0] - means[:, 1]).square()`. A square holds the variance of the estimate too; the product
    of the differences in two halves of the batch, as groups of their own, does not.

    Where all samples have the same λ, as in `sweep`, it is the plain mean over each group's members, so that batches of
    a sweep should be large, or one.

    Args:
        values: One number per sample, [B], with its gradient.
        members: Which samples are in which group: bool [B, G]. A sample may be in several, or in none.
        at: λ [B, D] or [D], as `terms(net, batch, at)` gets it.
        space: Its space.
        width: Standard deviation of the Gaussian, where the range of a parameter is 2 (as `space.encode` shows it).
            Wider: less noise, and λ is told apart less.

    Raises:
        YotoError: If shapes or types differ from these, `width` is not above 0, or a group has no member.

    >>> from yoto import LogUniform
    >>> space = LossSpace(fit=1.0, gap=LogUniform(0.1, 10.0))
    >>> members = torch.tensor([[True, False], [True, False], [False, True]])
    >>> group_means(torch.tensor([1.0, 2.0, 5.0]), members, space.point(gap=1.0), space)[0].tolist()
    [1.5, 5.0]
    """
    check_groups(values, members, at, space)
    check_real("width", width, above=0)
    shares = members.to(values.dtype)
    if at.ndim == 1 or bool((at == at[0]).all()):
        return (values @ shares / shares.sum(dim=0)).expand(len(values), -1)
    place = space.encode(at).to(values.dtype)
    weights = torch.cdist(place, place).square().div(-2 * width**2).clamp_min(FARTHEST).exp()  # [B, B]: sample, member
    return (weights @ (shares * values[:, None])) / (weights @ shares)


def check_groups(values: Any, members: Any, at: Any, space: LossSpace) -> None:
    """Refuse arguments of `group_means` of another shape or type, and a group without a member."""
    if not isinstance(values, Tensor) or values.ndim != 1:
        found = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise YotoError(f"`values` should hold one number per sample, shape [B]. Found {found}.")
    if not values.is_floating_point():
        raise YotoError(f"`values` should be floating-point numbers. Found {values.dtype}: values.float(), say.")
    if not isinstance(members, Tensor) or members.dtype != torch.bool or members.shape[:-1] != values.shape:
        found = f"{members.dtype} {tuple(members.shape)}" if isinstance(members, Tensor) else type(members).__name__
        raise YotoError(f"`members` should be a bool tensor [{len(values)}, G]. Found {found}.")
    check_lam(at, space.names)
    if at.ndim == 2 and len(at) != len(values):
        raise YotoError(f"λ should have a row for each of the {len(values)} samples. Found {len(at)} rows.")
    missing = (~members.any(dim=0)).nonzero().flatten().tolist()
    if missing:
        raise YotoError(
            f"Every group should have a member in the batch. Found none of group {missing[0]}. Usually: a larger batch."
        )
