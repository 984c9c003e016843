"""FiLM: a scale and a shift per channel, computed from the loss parameters, at chosen layers ("sites").

Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018; used for loss-conditional
training by Dosovitskiy & Djolonga, "You Only Train Once", ICLR 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from yoto.conditioning.conditioner import Conditioner
from yoto.conditioning.folding import Site
from yoto.errors import YotoError, near_misses
from yoto.support.numbers import is_number, is_whole

Layout = Literal["shared", "separate"]
Gain = Literal["linear", "exponential"]


WIDTH = 64
"""Features of λ that the heads read, unless those cost too much."""
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


class ConditioningNetwork(Conditioner):
    """Conditioning vector to FiLM values of every site: scale 1 + ε·s(λ) or exp(ε·s(λ)), shift ε·t(λ).

    Args:
        inputs: Length E of the conditioning vector.
        sites: The conditioned layers.
        hidden: Widths of the hidden layers.
        layout: "shared": one trunk with a linear head per site (kept as one matrix). "separate": two MLPs per
            site, one for the scale and one for the shift, as in the paper.
        multiplier: ε, which keeps the start near the plain network.
        gain: "linear", or "exponential" for scales that span a wide range and stay positive.
        skip: Whether the shared heads read the conditioning vector too, beside the trunk's features.
    """

    def __init__(
        self,
        inputs: int,
        sites: Sequence[Site],
        hidden: Sequence[int],
        layout: Layout,
        multiplier: float,
        gain: Gain = "linear",
        skip: bool = False,
    ) -> None:
        super().__init__(sites)
        self.multiplier = multiplier
        self.layout = layout
        self.gain = gain
        self.skip = inputs if skip else 0
        self.widths = [c for site in sites for c in [site.layer.channels] * (1 + site.layer.shift)]
        if layout == "shared":
            self.trunk = mlp(inputs, hidden, None)
            self.heads = dense((hidden[-1] if hidden else inputs) + self.skip, sum(self.widths))
        else:
            self.first = StackedLinear(len(self.widths), inputs, hidden[0]) if hidden else None
            self.mlps = nn.ModuleList(mlp(hidden[0] if hidden else inputs, hidden[1:], width) for width in self.widths)

    @classmethod
    def from_config(cls, inputs: int, sites: Sequence[Site], config: Mapping[str, Any]) -> Self:
        return cls(
            inputs, sites, config["hidden"], config["layout"], config["multiplier"], config["gain"], config["skip"]
        )

    @staticmethod
    def check_settings(config: Mapping[str, Any]) -> None:
        layout, hidden = config["layout"], config["hidden"]
        if layout not in ("shared", "separate"):
            raise YotoError(f"`layout` should be 'shared' or 'separate'. Found {layout!r}.")
        if config["gain"] not in ("linear", "exponential"):
            raise YotoError(f"`gain` should be 'linear' or 'exponential'. Found {config['gain']!r}.")
        if not is_number(config["multiplier"]):
            raise YotoError(f"`multiplier` should be a number. Found {config['multiplier']!r}.")
        if config["skip"] and layout != "shared":
            raise YotoError("`skip` should be used with the shared layout. Found layout='separate'.")
        if not isinstance(hidden, Sequence) or not all(is_whole(width) and width >= 1 for width in hidden):
            raise YotoError(f"`hidden` should be a list of widths ≥ 1. Found {hidden!r}.")

    def forward(self, encoding: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        if self.layout == "shared":
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
        if self.layout == "shared":
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
            YotoError: If the site is unknown, or the network has no exponential gains or no `skip`.
        """
        names = [each.name for each in self.sites]
        if site not in names:
            raise YotoError(f"`site` should be a conditioned layer. Found {site!r}.{near_misses(site, names)}")
        if self.gain != "exponential" or not self.skip:
            raise YotoError("`set_slope` needs condition(…, gain='exponential', skip=True). Found other settings.")
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
        if self.layout == "shared":
            per_channel = self.heads.in_features + 1
            sizes = [w * per_channel for w in self.widths]
        else:
            first = sum(p.numel() for p in self.first.parameters()) // len(self.widths) if self.first is not None else 0
            sizes = [first + sum(p.numel() for p in m.parameters()) for m in self.mlps]
        rest = iter(sizes)
        return [next(rest) + (next(rest) if site.layer.shift else 0) for site in self.sites]
