"""What a probing run of the plain network cannot show: checked by running it bound, with random values of its sites.

Layers whose outputs are alike for all samples (behind a norm of one channel, say) hide that a network mixes the samples
of a batch: what mixes equal samples changes nothing. And a layer that is called may have its weight read elsewhere too,
as an output projection reads the weight of an embedding: the fold would change that as well. The probing run sees most
of that (`reads.Reads`); whatever it misses, the outputs of a folded copy show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from yoto.conditioning.baking import WIDE_TOLERANCE, apart, at_fault, fold, untie
from yoto.conditioning.binding import Modulation, bound_clone
from yoto.conditioning.copies import copy_of
from yoto.conditioning.evidence import Call
from yoto.conditioning.folding import Site
from yoto.conditioning.probing import Found
from yoto.conditioning.references import find_links
from yoto.conditioning.rows import STRAYS, one, strayed
from yoto.conditioning.sites import READ
from yoto.errors import YotoError

ALIKE = "its output is alike for all samples, and a layer behind it mixes them"
ROUNDING = 1000.0
"""How much more than in float64 outputs may deviate in lower precision."""


def unfit(found: Found, sites: Sequence[Site]) -> dict[str, str]:
    """Which of the layers that would be conditioned should not be, and why.

    Args:
        found: A probing run; the network runs up to six times more, and twice more where samples are alike.
        sites: The layers that would be conditioned.
    """
    if mixes(found, sites):
        return dict.fromkeys(found.alike, ALIKE)
    return dict.fromkeys(strays(found, sites), STRAYS) | dict.fromkeys(read_elsewhere(found, sites), READ)


def strays(found: Found, sites: Sequence[Site]) -> list[str]:
    """The sites through which λ of a sample reaches rows of another one in the outputs."""
    return strayed(found, values(found, [site for site in sites if found.calls.get(site.name)], False))


def mixes(found: Found, sites: Sequence[Site]) -> bool:
    """Whether some output changes with the λ of another sample than its own.

    Two more runs where layers are alike for all samples; else the probing run would have shown it.
    """
    if not found.alike.intersection(site.name for site in sites):
        return False
    first, second = (found.again(bound(found, values(found, sites, changed))) for changed in (False, True))
    return any(
        leaks(found, name, call, other)
        for name, calls in first.items()
        for call, other in zip(calls, second.get(name, []), strict=False)
    )


@torch.no_grad()
def read_elsewhere(found: Found, sites: Sequence[Site]) -> list[str]:
    """The sites that the network uses otherwise than by calling them, as a baked network in float64 shows."""
    allowed = WIDE_TOLERANCE * (1 if found.tolerance < WIDE_TOLERANCE else ROUNDING)
    modulations = {name: one(each) for name, each in values(found, sites, False).items()}
    target = copy_of(found.shadow)
    untie(target, list(modulations))
    fold(found.shadow, target, modulations)
    try:
        if apart(bound(found, modulations), target, found.example)[0] <= allowed:
            return []
        if not apart(bound(found, modulations), bound(found, modulations), found.example)[0] <= allowed:
            return []  # two equal calls differ: nothing can be said
    except YotoError:
        return []  # no number in the outputs can be compared
    return at_fault(found.shadow, target, modulations, found.example, list(modulations), allowed)


def bound(found: Found, modulations: Mapping[str, Modulation]) -> torch.nn.Module:
    """The network that was probed, bound."""
    return bound_clone(found.shadow, modulations, find_links(found.shadow))


def values(found: Found, sites: Sequence[Site], changed: bool) -> dict[str, Modulation]:
    """Random values of the sites for each sample; if `changed`, other ones for sample 0."""
    generator = torch.Generator().manual_seed(0)
    result: dict[str, Modulation] = {}
    for site in sites:
        size = float(found.calls[site.name][0].output.abs().mean()) or 1.0
        scale, shift, *others = (
            torch.randn(rows, site.layer.channels, generator=generator, dtype=torch.float64)
            for rows in (found.samples, found.samples, 1, 1)
        )
        if changed:
            scale[:1], shift[:1] = others
        added = 0.3 * size * shift if site.layer.shift else None
        result[site.name] = Modulation(site, 1 + 0.5 * scale, added, found.batch_dim, found.known())
    return result


def leaks(found: Found, name: str, call: Call, other: Call) -> bool:
    """Whether a layer's output changed at other samples than 0."""
    layouts = found.known().get(name, ())
    layout = next((each for each in layouts if each.fits(call.output, found.samples)), None)
    if layout is None or call.output.shape != other.output.shape:
        return False
    apart = (other.output - call.output).abs().movedim(layout.axis, 0)
    owners = torch.arange(len(apart))
    owners = owners % found.samples if layout.order == "tiled" else owners // (len(apart) // found.samples)
    largest: Tensor = apart[owners > 0].max()
    return bool(largest > found.tolerance * call.output.abs().max())
