"""Networks that change themselves when they run, which a bound network, a copy for one call, cannot follow: refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from yoto.conditioning.copies import DOUBLE, copied, double
from yoto.errors import YotoError


def refuse_moves(shadow: nn.Module, names: Sequence[str]) -> None:
    """Refuse a network that took layers from their places while it ran: sites are known by their places."""
    places = dict(shadow.named_modules())
    name = next((name for name in names if name not in places), None)
    if name is not None:
        raise YotoError(
            f"A network should keep its layers in their places when it runs. Found that {name!r} is gone after a call: "
            "run the network once on such inputs before conditioning it."
        )


def refuse_new(net: nn.Module, shadow: nn.Module) -> None:
    """Refuse a network that makes layers or parameters when it runs: every bound network would make its own."""
    name = made(net, shadow)
    if name is not None:
        raise YotoError(
            f"A network should have its parameters before it is conditioned. Found that it makes {name!r} as it runs: "
            "run the network once on such inputs before."
        )


def made(before: nn.Module, after: nn.Module) -> str | None:
    """The first parameter that a copy of a network has more, after it ran."""
    names = {name for name, _ in before.named_parameters()}
    return next((name for name, _ in after.named_parameters() if name not in names), None)


def refuse_changes(net: nn.Module, shadow: nn.Module, again: Callable[[nn.Module], Any]) -> None:
    """Refuse a network that changes its own parameters at every λ: bound networks share them.

    A change that leaves changed parameters as they are (a mask on a kernel) may be made again.

    Args:
        shadow: A copy that ran.
        again: Runs another copy, on the same inputs.
    """
    if changed(net, shadow) is None:
        return
    other = copied(net)
    other = double(other) if next(shadow.parameters()).dtype in DOUBLE else other
    other.load_state_dict(shadow.state_dict())
    again(other)
    name = changed(shadow, other)
    if name is not None:
        raise YotoError(
            f"A network should leave its parameters alone when it runs. Found that it changes {name!r}, which it would "
            "do anew at every λ. Have it do so beforehand, or not at all."
        )


def changed(before: nn.Module, after: nn.Module) -> str | None:
    """The first parameter that differs between two copies of a network."""
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        if not torch.equal(old.to(new.dtype), new):
            return name
    return None
