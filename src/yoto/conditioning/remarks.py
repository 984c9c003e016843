"""What is said about the layers that are not conditioned: which, why, how much they are, what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from torch import nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from yoto.conditioning.fitting import is_leaf
from yoto.conditioning.folding import FOLDABLE
from yoto.errors import near_misses

READS_WEIGHTS = (nn.MultiheadAttention,)
"""Modules that use their children's weights without calling them."""
WORTH_A_REMARK = 0.5
"""Share of a network's parameters from which on layers of unknown classes are named where no example was given."""


def size(module: nn.Module) -> int:
    """Number of a module's own parameters, with those of its parametrisations, which have none for themselves."""
    if isinstance(module, ParametrizationList):
        return 0
    return sum(p.numel() for p in module.parameters(recurse=is_parametrized(module)))


def unknown(net: nn.Module) -> dict[str, nn.Module]:
    """The layers with parameters that are of no class whose fold is known beforehand."""
    known = (*FOLDABLE, *READS_WEIGHTS, nn.RNNBase)
    return {n: m for n, m in net.named_modules() if is_leaf(m) and not isinstance(m, known)}


def reached(net: nn.Module, sites: Collection[str], after: Mapping[int, nn.Module]) -> str:
    """How many layers are conditioned, be it by the norm behind them, and how many of the parameters they hold."""
    chosen = {id(net.get_submodule(name)) for name in sites}
    owners = [m for m in net.modules() if size(m)]
    led = [m for m in owners if id(m) in chosen or id(after.get(id(m))) in chosen]
    share = 100 * sum(map(size, led)) / max(sum(map(size, owners)), 1)
    return f"{len(led)} of {len(owners)} layers are conditioned ({share:.0f} % of the parameters)"


def left_out(
    net: nn.Module,
    bad: Mapping[str, str],
    sites: Collection[str],
    after: Mapping[int, nn.Module],
    example: bool,
) -> list[str]:
    """A remark on the layers that the rule left out: how many of which class, why the first of each, what would help.

    Args:
        bad: Why layers were left out, by name.
        sites: The conditioned ones.
        after: The norm behind a layer, by the layer's id.
        example: Whether an example was given.
    """
    remarks: list[str] = []
    everything = dict(net.named_modules())
    counts = Counter(type(everything[name]).__name__ for name in bad)
    firsts = {type(everything[name]).__name__: (name, reason) for name, reason in reversed(list(bad.items()))}
    parts = [f"{count} {kind} ({firsts[kind][0]!r}: {firsts[kind][1].rstrip('.')})" for kind, count in counts.items()]
    if parts:
        remarks.append(f"the rule left out {'; '.join(parts[:4])}{'; …' if len(parts) > 4 else ''}")
    odd = {} if example else {name: module for name, module in unknown(net).items() if name not in sites}
    if sum(map(size, odd.values())) >= WORTH_A_REMARK * sum(map(size, net.modules())) > 0:
        kinds = Counter(type(module).__name__ for module in odd.values())
        remarks.append(
            f"how {', '.join(f'{count} {kind}' for kind, count in kinds.most_common(4))} may fold is not known without "
            "an example: give condition(…, example=inputs)"
        )
    return [f"{reached(net, sites, after)}; {'; '.join(remarks)}"] if remarks else []


def no_match(
    net: nn.Module,
    sites: object,
    good: Mapping[str, nn.Module],
    bad: Mapping[str, str],
    example: bool,
    hidden: Collection[str] = (),
) -> str:
    """The message for a selection without a match.

    Args:
        hidden: Layers that run, but where a λ per sample has no place.
    """
    asked = "the rule" if sites is None else repr(sites)
    message = f"`sites` should match at least one layer that can be conditioned. {asked} matched none."
    if bad:
        kinds = {name: type(module).__name__ for name, module in net.named_modules()}
        first = [f"{n!r} ({kinds[n]}): {reason.rstrip('.')}" for n, reason in list(bad.items())[:4]]
        message += f" Refused: {'; '.join(first)}."
    odd = Counter(type(module).__name__ for module in unknown(net).values())
    if odd and not example:
        message += f" How {', '.join(odd)} may fold is tried with condition(…, example=inputs)."
    if not (good or bad) and (example or not odd) and next(net.parameters(), None) is not None:
        message += (
            " Parameters that a network uses outside of layers have no output to scale: put them into modules, such as "
            "torch.nn.Linear."
        )
    if set(hidden).intersection(bad):
        message += " Without `example` they may be conditioned on one λ for the whole batch."
    if isinstance(sites, str):
        message += near_misses(sites, tuple(good))
    if good:
        names = list(good)
        message += f" Layers that can be: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}."
    return message
