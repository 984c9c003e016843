"""Whether a network mixes the samples of a batch once λ differs between them.

Layers whose outputs are alike for all samples (behind a norm of one channel, say) hide it from a probing run of the
plain network: what mixes equal samples changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from yoto.conditioning.binding import Modulation, bound_clone
from yoto.conditioning.folding import Site
from yoto.conditioning.probing import Call, Found
from yoto.conditioning.references import find_links

ALIKE = "its output is alike for all samples, and a layer behind it mixes them"


def mixes(found: Found, sites: Sequence[Site]) -> bool:
    """Whether some output changes with the λ of another sample than its own; two more runs where samples are alike.

    Args:
        found: A probing run; of the layers that it asked about, those with a layout are compared.
        sites: The layers that would be conditioned.
    """
    if not found.alike.intersection(site.name for site in sites):
        return False
    first, second = (found.again(bound(found, sites, changed)) for changed in (False, True))
    return any(
        leaks(found, name, call, other)
        for name, calls in first.items()
        for call, other in zip(calls, second.get(name, []), strict=False)
    )


def bound(found: Found, sites: Sequence[Site], changed: bool) -> torch.nn.Module:
    """The network that was probed, with random values of its sites; if `changed`, other ones for sample 0."""
    generator = torch.Generator().manual_seed(0)
    modulations: dict[str, Modulation] = {}
    for site in sites:
        size = float(found.calls[site.name][0].output.abs().mean()) or 1.0
        scale, shift, *others = (
            torch.randn(rows, site.layer.channels, generator=generator, dtype=torch.float64)
            for rows in (found.samples, found.samples, 1, 1)
        )
        if changed:
            scale[:1], shift[:1] = others
        added = 0.3 * size * shift if site.layer.shift else None
        modulations[site.name] = Modulation(site, 1 + 0.1 * scale, added, 0, found.known())
    return bound_clone(found.shadow, modulations, find_links(found.shadow))


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
