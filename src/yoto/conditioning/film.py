"""FiLM: a scale and a shift per channel, computed from the loss parameters, at chosen layers ("sites").

Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018; used for loss-conditional
training by Dosovitskiy & Djolonga, "You Only Train Once", ICLR 2020.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from yoto.conditioning.folding import Layer
from yoto.errors import YotoError, near_misses

Layout = Literal["shared", "separate"]
Gain = Literal["linear", "exponential"]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Site:
    """A conditioned layer: its name in the plain network and how its output is laid out."""

    name: str
    type: str
    layer: Layer


@dataclass(frozen=True)
class Modulation:
    """FiLM values of one site for one λ (scale [C]) or for a λ per sample (scale [B, C]).

    Attributes:
        scale: [C] or [B, C].
        shift: Likewise, or None where the layer has no bias.
        batch_dim: Axis of the layer's output that holds the samples.
    """

    site: Site
    scale: Tensor
    shift: Tensor | None
    batch_dim: int

    def __call__(self, output: Tensor) -> Tensor:
        """scale·output + shift per channel.

        Raises:
            YotoError: If λ is per sample and the output has no batch of that size at `batch_dim`.
        """
        axis = self.site.layer.channel_axis(output)
        shape = [1] * output.ndim
        shape[axis] = self.site.layer.channels
        if self.scale.ndim == 2:
            samples = self.scale.shape[0]
            if axis == self.batch_dim or output.ndim <= self.batch_dim or output.shape[self.batch_dim] != samples:
                raise YotoError(
                    f"With a λ per sample, the output of layer {self.site.name!r} should have {samples} samples in "
                    f"dimension {self.batch_dim}. Found shape {tuple(output.shape)}. Set batch_dim= of condition(), "
                    "give one λ for the whole batch, or leave the layer out."
                )
            shape[self.batch_dim] = samples
        scale = self.scale.to(output.device, output.dtype).view(shape)
        if self.shift is None:
            return output * scale
        return torch.addcmul(self.shift.to(output.device, output.dtype).view(shape), output, scale)


class FiLMSite(nn.Module):
    """Mixed into a layer's class when it is bound at a λ: the layer, followed by its modulation."""

    film: Modulation

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The layer's output, modulated."""
        if self.film.scale.requires_grad and not torch.compiler.is_compiling() and not torch.is_grad_enabled():
            refuse_reentrant_checkpoint(self.film.site.name)
        return self.film(super().forward(*args, **kwargs))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return rebuild_site, (type(self).__mro__[2],), dict(self.__dict__)


SITE_CLASSES: dict[type[nn.Module], type[nn.Module]] = {}


def site_class(base: type[nn.Module]) -> type[nn.Module]:
    """The class of `base` layers that are bound: still a `base`, with the same parameters."""
    if base not in SITE_CLASSES:  # a dictionary, since torch.compile traces through functools.cache
        SITE_CLASSES[base] = type(f"FiLM{base.__name__}", (FiLMSite, base), {"__doc__": FiLMSite.__doc__})
    return SITE_CLASSES[base]


def rebuild_site(base: type[nn.Module]) -> nn.Module:
    """An empty bound layer, for pickling and copying."""
    cls = site_class(base)
    return cls.__new__(cls)


def refuse_bound(net: nn.Module, action: str) -> None:
    """Refuse a network that is bound at a λ where its plain weights alone would be taken."""
    if any(isinstance(m, FiLMSite) for m in net.modules()):
        raise YotoError(
            f"A network to {action} should be plain or conditional. Found one bound at a λ, whose weights are "
            "those before conditioning. Give model.bake(…) in place of model.at(…)."
        )


def refuse_reentrant_checkpoint(name: str) -> None:
    """Reentrant checkpointing would lose the conditioning network's gradient; find it on the stack."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("checkpoint.py") and frame.f_code.co_name in (
            "forward",
            "backward",
        ):
            raise YotoError(
                f"Layer {name!r} should not run under reentrant checkpointing, which loses gradients of the FiLM "
                "values. Give use_reentrant=False to torch.utils.checkpoint.checkpoint."
            )
        frame = frame.f_back  # type: ignore[assignment]


def bound_clone(root: M, modulations: Mapping[str, Modulation]) -> M:
    """A shallow copy of the module tree: same parameters and buffers, sites with their modulation attached.

    Args:
        root: The plain network.
        modulations: By site name, as in `root.named_modules()`.
    """
    by_module = {id(root.get_submodule(name)): m for name, m in modulations.items()}
    clones: dict[int, nn.Module] = {}

    def clone(module: nn.Module) -> nn.Module:
        if id(module) in clones:
            return clones[id(module)]
        modulation = by_module.get(id(module))
        cls = type(module) if modulation is None else site_class(type(module))
        new = cls.__new__(cls)
        clones[id(module)] = new
        new.__dict__.update(module.__dict__)
        new.__dict__.pop("_compiled_call_impl", None)  # of module.compile(): it would run the unbound original
        if modulation is not None:
            new.__dict__["film"] = modulation
        children = module._modules
        new.__dict__["_modules"] = {k: None if c is None else clone(c) for k, c in children.items()}
        return new

    return clone(root)  # type: ignore[return-value]


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


class ConditioningNetwork(nn.Module):
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
        super().__init__()
        self.sites = tuple(sites)
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

    def forward(self, encoding: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """Conditioning vector [E] or [B, E] to (scale, shift) of every site, [C] or [B, C] each."""
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
        """Parameters that each site adds: its own layers, without the shared trunk."""
        if self.layout == "shared":
            per_channel = self.heads.in_features + 1
            sizes = [w * per_channel for w in self.widths]
        else:
            first = sum(p.numel() for p in self.first.parameters()) // len(self.widths) if self.first is not None else 0
            sizes = [first + sum(p.numel() for p in m.parameters()) for m in self.mlps]
        rest = iter(sizes)
        return [next(rest) + (next(rest) if site.layer.shift else 0) for site in self.sites]
