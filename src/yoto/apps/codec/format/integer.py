"""The hyper-decoder in exact integer arithmetic, and the tables that go with it.

An entropy decoder must know the very probabilities that the encoder used; float32 sums depend on the processor's
instructions, on threads and on memory layout. Here every number is an integer inside a float64 tensor, and every sum is
below 2^53, so that the result is the same in any order of summation on any CPU.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from yoto.apps.codec.format import tables
from yoto.apps.codec.network import Codec, MeanScaleHyperprior, ScaleHyperprior
from yoto.errors import YotoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yoto.apps.codec.format.tables import Table
    from yoto.conditioning import Conditional
    from yoto.space import LossSpace

LEVELS = 256
"""Quality levels, evenly spaced in log λ."""
WEIGHT_BITS, ACTIVATION_BITS, GAIN_BITS, SHIFT_BITS = 12, 8, 10, 10
"""Binary places of kernels, activations, FiLM scales and FiLM shifts."""
ALIGN = WEIGHT_BITS + ACTIVATION_BITS + GAIN_BITS - SHIFT_BITS
"""Binary places from a FiLM shift to the accumulator."""
DROP = WEIGHT_BITS + GAIN_BITS
"""Binary places from the accumulator to an activation."""
LIMIT = 2**18
"""Activations are clamped to ± this, 1024 in their own units."""
LARGEST_HYPER = 2**12 - 1
"""Hyper-latent symbols are clamped to ± this."""
EXACT = 2**53
ENCODER = ("plain.analysis.", "plain.hyper_analysis.", "plain.prior.")
"""Prefixes of the parameters that no decoder uses: it takes the prior of hyper-latents from the tables."""
CONDITIONING = ("sites", "hidden", "layout", "multiplier", "gain", "skip", "fourier", "raw")
"""Settings of the conditioning network that its values depend on."""
UNIT = 2.0**-ACTIVATION_BITS
"""Of activations."""


class Parameters(NamedTuple):
    """What is known of latents before they are decoded, [M, h, w] each.

    `mean` and `log_scale` are float32, whole multiples of 2^-8 below 2^10, which it holds exactly; `table`, uint8, is
    the number of the table.
    """

    mean: Tensor
    log_scale: Tensor
    table: Tensor

    def part(self, rows: slice, columns: slice) -> Parameters:
        """Those of a part of the grid."""
        return Parameters(*(each[:, rows, columns].contiguous() for each in self))


@dataclass(frozen=True)
class IntegerLayer:
    """A convolution, transposed or not, followed by a scale and a shift per channel.

    Attributes:
        weight, bias: Integers as float64, in units of 2^-12 and 2^-20.
        scale, shift: [256, C] integers as float64, in units of 2^-10; one row per quality level.
        module: Strides and paddings.
        largest: Magnitude that its inputs can have.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor
    module: nn.Conv2d | nn.ConvTranspose2d
    largest: float = LIMIT

    def bound(self) -> int:
        """The largest magnitude that any partial sum can reach."""
        axis = 1 if isinstance(self.module, nn.ConvTranspose2d) else 0
        sums = self.weight.abs().movedim(axis, 0).flatten(1).sum(1)
        reach = (sums * self.largest + self.bias.abs()) * self.scale.abs().amax(0)
        return int((reach + (self.shift.abs().amax(0) + 1) * 2.0**ALIGN + 2.0**DROP).max())

    def __call__(self, x: Tensor, level: int) -> Tensor:
        """Integer activations [B, C, h, w] in units of 2^-8, as float64."""
        m = self.module
        stride, padding = to_pair(m.stride), to_pair(m.padding)
        if isinstance(m, nn.ConvTranspose2d):
            y = conv_transpose2d(x, self.weight, self.bias, stride, padding, to_pair(m.output_padding))
        else:
            y = conv2d(x, self.weight, self.bias, stride, padding)
        scale, shift = self.scale[level].view(1, -1, 1, 1), self.shift[level].view(1, -1, 1, 1)
        y = y * scale + (shift * 2.0**ALIGN + 2.0 ** (DROP - 1))
        return (y * 2.0**-DROP).floor_().clamp_(-LIMIT, LIMIT)


def to_pair(value: str | tuple[int, ...]) -> tuple[int, int]:
    """A layer's setting along both axes."""
    assert not isinstance(value, str)
    return value[0], value[1]


class IntegerDecoder:
    """From integer hyper-latents to the mean and the table of every latent, exactly.

    Args:
        net: The plain network, whose hyper-decoder's parameters are rounded.
        extras: The tensors that `build` made.

    Raises:
        YotoError: If a tensor is missing or a sum could leave the range of exact integers.
    """

    def __init__(self, net: Codec, extras: Mapping[str, Tensor]) -> None:
        try:
            self.prior_index = extras["prior.index"].long()
            self.prior_mean = extras["prior.mean"].double()
            hyper = LARGEST_HYPER * 2.0**ACTIVATION_BITS + float(self.prior_mean.abs().max())
            limits = {"first": hyper, "second": LIMIT, "third": LIMIT}
            self.layers = [integer_layer(net, name, extras, limit) for name, limit in limits.items()]
            self.thresholds = extras["thresholds"].double()
            self.tables = tables.from_tensors(dict(extras))
        except KeyError as error:
            raise YotoError(f"A codec should carry integer tables. Found none named {error}.") from None
        for name, layer in zip(("first", "second", "third"), self.layers, strict=True):
            if layer.bound() >= EXACT:
                raise YotoError(
                    f"The hyper-decoder's sums should stay below 2^53. Found up to {layer.bound():.3g} in its {name} "
                    "layer. Usually: a diverged training run."
                )
        slope = net.hyper_synthesis.slope
        if slope not in (0.0, 0.125):
            raise YotoError(f"The hyper-decoder's slope should be 0 or 1/8. Found {slope}.")
        self.leaky = slope > 0
        self.has_mean = isinstance(net, MeanScaleHyperprior)
        self.latents = net.hyper_synthesis.third.out_channels // (2 if self.has_mean else 1)

    def hyper_latents(self, symbols: Tensor, level: int) -> Tensor:
        """Integer hyper-latents [K, h, w], float64 in units of 2^-8, of coded symbols."""
        return symbols.double() * 2.0**ACTIVATION_BITS + self.prior_mean[level].view(-1, 1, 1)

    def parameters(self, z: Tensor, level: int) -> Parameters:
        """Means, log-scales and tables of the latents, [M, 4h, 4w].

        Args:
            z: What `hyper_latents` gave, [K, h, w].
            level: Quality level.
        """
        with torch.autocast(z.device.type, enabled=False):
            x = z[None]
            for i, layer in enumerate(self.layers):
                x = layer(x, level)
                if i < len(self.layers) - 1:
                    # A shift by three places, rounded down, for negative values; or nothing of them.
                    x = torch.where(x < 0, (x * 0.125).floor_(), x) if self.leaky else x.clamp_min_(0.0)
            log_scale = x[0, -self.latents :]
            table = torch.bucketize(log_scale.contiguous(), self.thresholds, right=True).to(torch.uint8)
            values = (x[0] * UNIT).float()
            mean = values[: self.latents] if self.has_mean else torch.zeros_like(values)
            return Parameters(mean, values[-self.latents :], table)


def integer_layer(net: Codec, name: str, extras: Mapping[str, Tensor], largest: float) -> IntegerLayer:
    """A layer of the hyper-decoder with rounded parameters and its FiLM tables, for inputs up to `largest`."""
    module = getattr(net.hyper_synthesis, name)
    weight = (module.weight.detach().cpu().double() * 2.0**WEIGHT_BITS).round()
    bias = (module.bias.detach().cpu().double() * 2.0 ** (WEIGHT_BITS + ACTIVATION_BITS)).round()
    scale, shift = extras[f"{name}.scale"].double(), extras[f"{name}.shift"].double()
    return IntegerLayer(weight, bias, scale, shift, module, largest)


def levels_of(low: float, high: float) -> list[float]:
    """λ of every quality level."""
    return [min(max(low * (high / low) ** (i / (LEVELS - 1)), low), high) for i in range(LEVELS)]


def level_weights(space: LossSpace) -> list[float]:
    """λ of every quality level of a codec's loss space."""
    column = space.index("distortion")
    low, high = (float(point[column]) for point in space.grid(2))
    return levels_of(low, high)


def fingerprint(model: Conditional[Codec], extras: Mapping[str, Tensor]) -> bytes:
    """Eight bytes that name all that a decoder uses: every tensor but the encoder's, the range of λ, the tables."""
    facts = {"network": type(model.plain).__name__, "space": model.space.to_dict()}
    facts |= {name: model.config[name] for name in CONDITIONING}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    parts = {name: value for name, value in model.state_dict().items() if not name.startswith(ENCODER)}
    for name, value in sorted({**parts, **{f"extras.{n}": v for n, v in extras.items()}}.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()[:8]


def stored(values: Tensor, bits: int, name: str) -> Tensor:
    """Values in units of 2^-bits, in the smallest of the integer types that holds them.

    Raises:
        YotoError: If none does.
    """
    rounded = (values.double() * 2.0**bits).round()
    for dtype in (torch.int16, torch.int32):
        if bool(rounded.isfinite().all()) and float(rounded.abs().max()) <= torch.iinfo(dtype).max:
            return rounded.to(dtype)
    raise YotoError(f"{name} should be finite and below 2^31. Found {float(values.abs().max()):.3g}.")


def table_numbers(log_scale: Tensor) -> Tensor:
    """Numbers, int64, of the tables of log-scales that a float network gave."""
    places = torch.tensor(tables.thresholds(UNIT), dtype=torch.float64) * UNIT
    return torch.bucketize(log_scale.double().contiguous(), places, right=True)


@torch.no_grad()
def build(model: Conditional[Codec], of_scales: Sequence[Table] | None = None) -> dict[str, Tensor]:
    """All that an entropy coder needs beside the network, as integers, for every quality level.

    FiLM values and priors come from a float network and are stored, so that no decoder has to compute them.

    Args:
        model: A conditional codec whose free parameter is `distortion`.
        of_scales: A table for each of `tables.scales`; normal ones by default.

    Raises:
        YotoError: If the range of exact integers does not hold it.
    """
    space, net = model.space, model.plain
    weights = level_weights(space)
    lam = torch.stack([space.point(distortion=w) for w in weights])
    modulations = model.modulations(model.lam(lam))
    extras: dict[str, Tensor] = {}
    for name in ("first", "second", "third"):
        channels = getattr(net.hyper_synthesis, name).out_channels
        found = modulations.get(f"hyper_synthesis.{name}")
        scale = torch.ones(len(weights), channels) if found is None else found.scale.cpu()
        shift = torch.zeros(len(weights), channels) if found is None or found.shift is None else found.shift.cpu()
        extras[f"{name}.scale"] = stored(scale, GAIN_BITS, "FiLM scales")
        extras[f"{name}.shift"] = stored(shift, SHIFT_BITS, "FiLM shifts")
    all_tables = list(tables.normal_tables() if of_scales is None else of_scales)
    if isinstance(net, MeanScaleHyperprior):
        device = next(net.parameters()).device
        prior = model.at(lam.to(device)).get_submodule("prior.table")
        rows: Tensor = prior(torch.ones(len(weights), 1, device=device))
        mean, log_scale = rows.cpu().double().chunk(2, dim=1)
        extras["prior.index"] = table_numbers(log_scale).to(torch.int16)
        extras["prior.mean"] = stored(mean, ACTIVATION_BITS, "Hyper-prior means")
    else:
        assert isinstance(net, ScaleHyperprior)
        channels = net.hyper_synthesis.first.in_channels
        extras["prior.index"] = (
            (tables.COUNT + torch.arange(channels)).to(torch.int16).expand(len(weights), -1).contiguous()
        )
        extras["prior.mean"] = torch.zeros(len(weights), channels, dtype=torch.int16)
        all_tables += factorised_tables(net)
    extras["thresholds"] = torch.tensor(tables.thresholds(UNIT), dtype=torch.int32)
    extras |= tables.to_tensors(all_tables)
    IntegerDecoder(net, extras)  # proves its bounds
    return extras


def factorised_tables(net: ScaleHyperprior, reach: int = 64) -> list[tables.Table]:
    """A table per channel of the factorised prior, over the symbols that are not too unlikely."""
    symbols = torch.arange(-reach, reach + 1, dtype=torch.float32)
    channels = net.hyper_synthesis.first.in_channels
    likely = (
        net.prior.probability(symbols.expand(channels, 1, -1).to(next(net.parameters()).device))[:, 0].double().cpu()
    )
    result = []
    for row in likely:
        places = (row > 2.0 ** (2 - tables.PRECISION)).nonzero()
        first, last = (int(places.min()), int(places.max())) if len(places) else (reach, reach)
        result.append(tables.Table(first - reach, tables.integer_frequencies(row[first : last + 1].tolist())))
    return result
