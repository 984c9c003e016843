"""Whether λ of a sample reaches that sample's rows of a network's outputs, and those alone.

What layers show one by one may agree by chance; the outputs decide. The network runs bound with a λ per sample, and for
up to three samples with that one's λ for all: the sample's rows have to be equal. Where the network mixes the samples
anyway, or gives something else at every call, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from yoto.conditioning.binding import Modulation, bound_clone
from yoto.conditioning.evidence import Call
from yoto.conditioning.layouts import entries
from yoto.conditioning.probing import CHANGED, OUTPUTS, Found
from yoto.conditioning.references import find_links

STRAYS = "λ of one sample would reach the outputs of others through it"
DEVIATION = 1e-6
"""Relative deviation of rows, in float64, from which on it counts; a thousandfold in lower precision."""
ROUNDING = 1e-12
"""Relative change of values, in float64, that leaves no such deviation where something can be said; likewise."""


def strayed(found: Found, modulations: Mapping[str, Modulation]) -> list[str]:
    """The sites through which λ of a sample reaches rows of another one.

    Args:
        found: A probing run. The network runs up to four times more, and oftener to find the sites at fault.
        modulations: By site, with different values for each sample.
    """
    if not modulations or not any(found.places):
        return []
    try:
        return at_fault(Rows(found, modulations), list(modulations))
    except Exception:  # noqa: BLE001 - whatever a network's own parts raise: then nothing can be said
        return []


def at_fault(rows: Rows, names: list[str]) -> list[str]:
    """The sites among `names` that suffice for a fault, by halving; all of them if it takes several."""
    if not rows.wrong(names):
        return []
    if len(names) == 1:
        return names
    half = len(names) // 2
    return [*at_fault(rows, names[:half]), *at_fault(rows, names[half:])] or names


def one(modulation: Modulation, sample: int = 0) -> Modulation:
    """The values of one sample for all samples."""
    shift = modulation.shift
    return replace(modulation, scale=modulation.scale[sample], shift=None if shift is None else shift[sample])


@dataclass
class Rows:
    """Runs of the network that was probed, bound."""

    found: Found
    modulations: Mapping[str, Modulation]

    def wrong(self, names: Sequence[str]) -> bool:
        """Whether rows of some sample differ between a λ per sample and that sample's λ for all, with these sites."""
        each = {name: self.modulations[name] for name in names}
        together = self.outputs(each)
        for sample in self.found.numbers:
            same = {name: one(modulation, sample) for name, modulation in each.items()}
            alone = self.outputs(same)
            if self.apart(together, alone, sample) and self.certain(each, together, same, alone, sample):
                return True
        return False

    def certain(
        self,
        each: Mapping[str, Modulation],
        together: Sequence[Call],
        same: Mapping[str, Modulation],
        alone: Sequence[Call],
        sample: int,
    ) -> bool:
        """Whether a difference is due to λ: neither to rounding and chance, nor to other samples' inputs."""
        by = 1 + ROUNDING * self.coarser
        shaken = {name: replace(m, scale=m.scale * by) for name, m in each.items()}
        if self.apart(together, self.outputs(shaken), sample):
            return False
        copies = self.outputs(same, sample)
        return shapes(copies) == shapes(alone) and not self.apart(alone, copies, sample)

    @property
    def coarser(self) -> float:
        """How much coarser than in float64 the network runs."""
        return self.found.tolerance / CHANGED

    def outputs(self, modulations: Mapping[str, Modulation], filled: int | None = None) -> list[Call]:
        """The outputs on the example, or on a batch that is filled with one of its samples."""
        net = bound_clone(self.found.shadow, modulations, find_links(self.found.shadow))
        calls = self.found.again(net) if filled is None else self.found.filled(net, filled)
        return calls[OUTPUTS]

    def apart(self, first: Sequence[Call], second: Sequence[Call], sample: int) -> bool:
        """Whether the rows of a sample differ between two runs of outputs of the same shapes."""
        if not shapes(first) == shapes(second) == shapes(self.found.outputs):
            return False
        samples, allowed = self.found.samples, DEVIATION * self.coarser
        for layout, a, b in zip(self.found.places, first, second, strict=True):
            if layout is None:
                continue
            places = entries(layout.order, sample, samples, a.output.shape[layout.axis] // samples)
            index = torch.tensor(sorted(places), device=a.output.device)
            picked = [call.output.index_select(layout.axis, index) for call in (a, b)]
            if deviates(picked[0], picked[1], allowed):
                return True
        return False


def shapes(calls: Sequence[Call]) -> list[torch.Size]:
    """Of outputs."""
    return [call.output.shape for call in calls]


def deviates(first: Tensor, second: Tensor, allowed: float) -> bool:
    """Whether two tensors differ, as a share of their largest entry, where both have numbers."""
    gap, size = (first - second).abs(), torch.maximum(first.abs(), second.abs())
    finite = gap.isfinite() & size.isfinite()
    return bool(finite.any()) and bool(gap[finite].max() > allowed * size[finite].max())
