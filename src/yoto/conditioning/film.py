"""FiLM: a scale and a shift per channel, computed from the loss parameters, at chosen layers ("sites").

Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018; used for loss-conditional
training by Dosovitskiy & Djolonga, "You Only Train Once", ICLR 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from yoto.conditioning.conditioner import Conditioner
from yoto.conditioning.folding import Site
from yoto.errors import YotoError, near_misses
from yoto.support.numbers import is_number, is_whole

if TYPE_CHECKING:
    from yoto.space import LossSpace

Layout = Literal["shared", "separate", "piecewise"]
Gain = Literal["linear", "exponential"]


WIDTH = 64
"""Features of λ that the heads read, unless those cost too much."""
KNOTS = 8
"""Of the piecewise layout, unless others are asked for."""
HEIGHT = 10.0
"""Of its hat functions: what an optimiser of small even steps, such as Adam, moves them by."""
SMALLEST_BUDGET = 25_000
"""Parameters that conditioning may add to any network; else as many as half of the network's."""


def affordable(inputs: int, sites: Sequence[Site], parameters: int, skip: bool) -> list[int]:
    """Widths of the hidden layers of the shared layout, the last one narrow where wide sites ask for it.

    Args:
        inputs: Length E of the conditioning vector.
        sites: The conditioned layers.
        parameters: Of the plain network.
        skip: Whether the heads read the conditioning vector too.
    """
    outputs = sum(site.layer.channels * (1 + site.layer.shift) for site in sites)
    rest = max(parameters // 2, SMALLEST_BUDGET) - (inputs + 1) * WIDTH - ((inputs if skip else 0) + 1) * outputs
    if rest >= WIDTH * outputs:
        return [WIDTH]
    return [WIDTH, max(rest // (WIDTH + 1 + outputs), 2)]


def dense(inputs: int, outputs: int) -> nn.Linear:
    """Linear layer with variance 2/fan_in, truncated at two deviations, and no bias at first (paper's code)."""
    layer = nn.Linear(inputs, outputs)
    deviation = math.sqrt(2.0 / max(inputs, 1)) / 0.87962566103423978
    nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(inputs: int, hidden: Sequence[int], outputs: int | None) -> nn.Sequential:
    """Leaky-ReLU (0.2) layers of the `hidden` widths and, if `outputs` is given, a linear layer at the end."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [dense(inputs, width), nn.LeakyReLU(0.2)]
        inputs = width
    if outputs is not None:
        layers.append(dense(inputs, outputs))
    return nn.Sequential(*layers)


class StackedLinear(nn.Module):
    """The first layers of `count` MLPs that read the same input, with their leaky ReLU (0.2), as one product.

    Args:
        count: Number of MLPs.
        inputs, outputs: Width of each layer.
    """

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([dense(inputs, outputs).weight.detach().T for _ in range(count)]))
        self.bias = nn.Parameter(torch.zeros(count, 1, outputs))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Input [E] or [B, E] to the features [H] or [B, H] of each MLP."""
        rows = x if x.ndim == 2 else x[None]
        stacked = rows.expand(self.weight.shape[0], *rows.shape)
        hidden = leaky_relu(torch.baddbmm(self.bias, stacked, self.weight), 0.2, inplace=True)
        return [h if x.ndim == 2 else h[0] for h in hidden.unbind(0)]


class Hats(nn.Module):
    """Hat functions of positions, one for each knot: their sums are straight lines between values at the knots.

    Args:
        columns: Components of the conditioning vector that are positions in [-1, 1].
        knots: K, evenly from -1 to 1; positions beyond count as the ends.
    """

    def __init__(self, columns: Sequence[int], knots: int) -> None:
        super().__init__()
        self.columns, self.knots = list(columns), knots

    def forward(self, encoding: Tensor) -> Tensor:
        """[E] or [B, E] to [K·columns] or [B, K·columns]."""
        at = torch.linspace(-1, 1, self.knots, dtype=encoding.dtype, device=encoding.device)
        distance = (encoding[..., self.columns, None].clamp(-1, 1) - at).abs() * ((self.knots - 1) / 2)
        return HEIGHT * (1 - distance).clamp_min(0).flatten(-2)


class ConditioningNetwork(Conditioner):
    """Conditioning vector to FiLM values of every site: scale 1 + ε·s(λ) or exp(ε·s(λ)), shift ε·t(λ).

    Args:
        inputs: Length E of the conditioning vector.
        sites: The conditioned layers.
        hidden: Widths of the hidden layers; of the piecewise layout the number of knots alone.
        layout: "shared": one trunk with a linear head per site (kept as one matrix). "separate": two MLPs per
            site, one for the scale and one for the shift, as in the paper. "piecewise": no hidden layer, but in its
            place values at knots of every interval's range, with straight lines between, added to what is linear in
            the conditioning vector, which starts at nothing.
        multiplier: ε, which keeps the start near the plain network.
        gain: "linear", or "exponential" for scales that span a wide range and stay positive.
        skip: Whether the shared heads read the conditioning vector too, beside the trunk's features; those of the
            piecewise layout always do.
        positions: Components of the conditioning vector that are positions along an interval, in [-1, 1].
    """

    trunk: nn.Module

    def __init__(
        self,
        inputs: int,
        sites: Sequence[Site],
        hidden: Sequence[int],
        layout: Layout,
        multiplier: float,
        gain: Gain = "linear",
        skip: bool = False,
        positions: Sequence[int] = (),
    ) -> None:
        super().__init__(sites)
        self.multiplier = multiplier
        self.layout = layout
        self.gain = gain
        self.skip = inputs if skip or layout == "piecewise" else 0
        self.widths = [c for site in sites for c in [site.layer.channels] * (1 + site.layer.shift)]
        if layout == "piecewise":
            self.trunk, features = Hats(positions, hidden[0]), hidden[0] * len(positions)
            self.heads = dense(features + inputs, sum(self.widths))
            with torch.no_grad():
                self.heads.weight[:, :features] /= HEIGHT
                self.heads.weight[:, features:] = 0.0
        elif layout == "shared":
            self.trunk = mlp(inputs, hidden, None)
            self.heads = dense((hidden[-1] if hidden else inputs) + self.skip, sum(self.widths))
        else:
            self.first = StackedLinear(len(self.widths), inputs, hidden[0]) if hidden else None
            self.mlps = nn.ModuleList(mlp(hidden[0] if hidden else inputs, hidden[1:], width) for width in self.widths)

    @classmethod
    def from_config(cls, space: LossSpace, sites: Sequence[Site], config: Mapping[str, Any]) -> Self:
        settings = {name: config[name] for name in ("hidden", "layout", "multiplier", "gain", "skip")}
        inputs, positions = space.encoded_size(config["fourier"], config["raw"]), space.positions(config["fourier"])
        return cls(inputs, sites, **settings, positions=positions)

    @staticmethod
    def check_settings(config: Mapping[str, Any]) -> None:
        layout, hidden = config["layout"], config["hidden"]
        if layout not in ("shared", "separate", "piecewise"):
            raise YotoError(f"`layout` should be 'shared', 'separate' or 'piecewise'. Found {layout!r}.")
        if config["gain"] not in ("linear", "exponential"):
            raise YotoError(f"`gain` should be 'linear' or 'exponential'. Found {config['gain']!r}.")
        if not is_number(config["multiplier"]):
            raise YotoError(f"`multiplier` should be a number. Found {config['multiplier']!r}.")
        if config["skip"] and layout != "shared":
            raise YotoError(f"`skip` should be used with the shared layout. Found layout={layout!r}.")
        if layout == "piecewise" and config["raw"]:
            raise YotoError("`raw` should not be used with the piecewise layout, whose knots lie along a range.")
        if not isinstance(hidden, Sequence) or not all(is_whole(width) and width >= 1 for width in hidden):
            raise YotoError(f"`hidden` should be a list of widths ≥ 1. Found {hidden!r}.")
        if layout == "piecewise" and (len(hidden) != 1 or hidden[0] < 2):
            raise YotoError(f"`hidden` of the piecewise layout should be one number of knots ≥ 2. Found {hidden!r}.")

    def forward(self, encoding: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        if self.layout != "separate":
            features = self.trunk(encoding)
            features = torch.cat([features, encoding], dim=-1) if self.skip else features
            parts = list((self.heads(features) * self.multiplier).split(self.widths, dim=-1))
        else:
            stacked = self.first(encoding) if self.first is not None else [encoding] * len(self.mlps)
            parts = [m(x) * self.multiplier for m, x in zip(self.mlps, stacked, strict=True)]
        result: list[tuple[Tensor, Tensor | None]] = []
        rest = iter(parts)
        for site in self.sites:
            scale = next(rest).exp() if self.gain == "exponential" else next(rest) + 1
            result.append((scale, next(rest) if site.layer.shift else None))
        return result

    @torch.no_grad()
    def rest(self) -> None:
        if self.layout != "separate":
            last = [self.heads]
        elif self.first is not None and not any(isinstance(m, nn.Linear) for m in self.mlps[0].modules()):
            raise YotoError("`start` 'plain' needs a linear layer at the end of each MLP. Found none.")
        else:
            last = [[m for m in each.modules() if isinstance(m, nn.Linear)][-1] for each in self.mlps]
        for layer in last:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def set_slope(
        self, site: str, *, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0, column: int = 0
    ) -> None:
        """Let a site start at a known function of λ: log-scale and shift linear in the conditioning vector.

        Args:
            site: Name of the conditioned layer. Its other dependence on λ is set to zero.
            scale: Change of the scale's logarithm per unit of the conditioning vector, [C] or one number.
            shift: Change of the shift, likewise.
            column: Which component of the conditioning vector.

        Raises:
            YotoError: If the site is unknown, or the network has no exponential gains, or neither `skip` nor knots.
        """
        names = [each.name for each in self.sites]
        if site not in names:
            raise YotoError(f"`site` should be a conditioned layer. Found {site!r}.{near_misses(site, names)}")
        if self.gain != "exponential" or not self.skip:
            raise YotoError(
                "`set_slope` needs condition(…, gain='exponential') with skip=True or layout='piecewise'. "
                "Found other settings."
            )
        start = 0
        for each in self.sites[: names.index(site)]:
            start += each.layer.channels * (1 + each.layer.shift)
        layer = self.sites[names.index(site)].layer
        for values, used in ((scale, True), (shift, layer.shift)):
            if used:
                rows = slice(start, start + layer.channels)
                self.heads.weight[rows] = 0.0
                self.heads.weight[rows, self.heads.in_features - self.skip + column] = values / self.multiplier
                self.heads.bias[rows] = 0.0
                start += layer.channels

    def added(self) -> list[int]:
        if self.layout != "separate":
            per_channel = self.heads.in_features + 1
            sizes = [w * per_channel for w in self.widths]
        else:
            first = sum(p.numel() for p in self.first.parameters()) // len(self.widths) if self.first is not None else 0
            sizes = [first + sum(p.numel() for p in m.parameters()) for m in self.mlps]
        rest = iter(sizes)
        return [next(rest) + (next(rest) if site.layer.shift else 0) for site in self.sites]
