"""Layers whose output is affine per channel, and how a scale and a shift fold into their weights.

For such a layer with weights W and b, `s·layer(x) + t` per channel is the same layer with `W' = s·W` and
`b' = s·b + t`: exact, at no cost. A layer without a bias takes the scale alone, so that no parameter is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils import parametrize

from yoto.conditioning.copies import copy_of, double
from yoto.errors import YotoError
from yoto.support.seeds import seed_all, streams_kept

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
SHAPED = (nn.LayerNorm, nn.RMSNorm)
"""Norms over the last dimensions, with a weight of their shape."""
SPATIAL: dict[type[nn.Module], int] = {
    nn.BatchNorm1d: 1,
    nn.BatchNorm2d: 2,
    nn.BatchNorm3d: 3,
    nn.InstanceNorm1d: 1,
    nn.InstanceNorm2d: 2,
    nn.InstanceNorm3d: 3,
}
"""Axes behind the channels that a norm expects, by class; subclasses count."""
FOLDABLE = (_ConvNd, nn.Linear, *NORMS)
CHECK_TOLERANCE = 1e-9
"""Largest relative deviation of a fold in float64."""
FLOAT32_TOLERANCE = 1e-5
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Layer:
    """What folding needs to know of a layer.

    Attributes:
        channels: Number C of output channels, the length of scale and shift.
        shift: Whether there is a bias to fold a shift into.
        spatial: Axes behind the channel axis of the layer's output, or -1 if the channel axis is dimension 1.
        weight_axis: Axis of the weight that holds the channels (for transposed convolutions: of [G, I/G, O/G, …]).
        weight, bias: Names of the parameters that scale and shift.
        offset: What is added to the weight before it scales.
        axes: Number of axes of an output and which of them holds the channels, where that was found by trial.
        before: The child in front of which scale and shift apply ("act"), "" for the layer's output.
        inside: The class it derives from behind whose `forward` they apply ("GroupNorm"), "" for the layer's output.
    """

    channels: int
    shift: bool
    spatial: int
    weight_axis: int = 0
    weight: str = "weight"
    bias: str = "bias"
    offset: float = 0.0
    axes: tuple[tuple[int, int], ...] = ()
    before: str = ""
    inside: str = ""

    def channel_axis(self, output: Tensor) -> int:
        """The axis of the layer's output that holds the channels."""
        for ndim, axis in self.axes:
            if ndim == output.ndim:
                return axis
        return 1 if self.spatial < 0 else output.ndim - 1 - self.spatial

    def also(self, axes: Sequence[tuple[int, int]]) -> Layer:
        """The same with further axes."""
        return replace(self, axes=tuple(dict([*self.axes, *axes]).items()))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layer:
        """Inverse of `to_dict`."""
        return cls(**{**data, "axes": tuple((int(ndim), int(axis)) for ndim, axis in data.get("axes", ()))})


@dataclass(frozen=True)
class Site:
    """A conditioned layer: its name in the plain network and how its output is laid out."""

    name: str
    type: str
    layer: Layer


def refusal(module: nn.Module, channel_axis: int | None = None) -> str | None:
    """Why a module cannot be conditioned, or None if it can."""
    if isinstance(module, nn.RNNBase):
        return (
            f"{type(module).__name__} mixes its steps behind its weights; condition a layer that takes its output, "
            "such as a linear layer behind it"
        )
    if not isinstance(module, FOLDABLE):
        return f"{type(module).__name__} is not affine per output channel"
    if parametrize.is_parametrized(module):
        return "it is parametrised; remove the parametrisation or condition another layer"
    own = dict(module.named_parameters(recurse=False))
    if isinstance(module, NORMS):
        if "weight" not in own:
            return "it has no affine parameters to fold into; make it with affine parameters"
        if isinstance(module, SHAPED) and len(module.normalized_shape) == 2 and channel_axis is None:
            return (
                "it normalises over two dimensions; declare which of them holds the channels, e.g. "
                "channel_axis={'name': -1}"
            )
    elif "weight" not in own:
        return "its weight is recomputed by a hook (weight normalisation?); remove the hook"
    return None


def layer_of(module: nn.Module, channel_axis: int | None = None) -> Layer:
    """The folding facts of a module that `refusal` accepts.

    Args:
        channel_axis: For a LayerNorm over several dimensions, the (negative) axis of the channels. By default the
            first of three or more, as in pictures and volumes [B, C, H, W]; of two it may be either.
    """
    bias = getattr(module, "bias", None) is not None
    if isinstance(module, _ConvTransposeNd):
        return Layer(module.out_channels, bias, len(module.kernel_size), 2)
    if isinstance(module, _ConvNd):
        return Layer(module.out_channels, bias, len(module.kernel_size))
    if isinstance(module, nn.Linear):
        return Layer(module.out_features, bias, 0)
    if isinstance(module, SHAPED):
        dims = len(module.normalized_shape)
        axis = channel_axis if channel_axis is not None else -1 if dims == 1 else -dims
        if not -dims <= axis < 0:
            raise YotoError(
                f"`channel_axis` should lie in [-{dims}, -1], an axis that is normalised over. Found {axis}."
            )
        return Layer(module.normalized_shape[axis], bias, -1 - axis, dims + axis)
    if isinstance(module, nn.GroupNorm):
        return Layer(module.num_channels, bias, -1)
    assert isinstance(module, (_BatchNorm, _InstanceNorm))
    return Layer(module.num_features, bias, -1 if isinstance(module, _BatchNorm) else spatial_axes(module))


GAIN = "parametrizations.weight.original0"
"""The parameter of torch's weight normalisation that scales output channels."""


def weight_normed(module: nn.Module) -> Layer | None:
    """How a layer with torch's weight normalisation folds: into its gains; None if it has none for output channels."""
    if not parametrize.is_parametrized(module, "weight") or isinstance(module, _ConvTransposeNd):
        return None
    gain = dict(module.named_parameters()).get(GAIN)
    if gain is None or gain.ndim < 2 or gain.numel() != gain.shape[0]:
        return None
    if not isinstance(module, (_ConvNd, nn.Linear)) or gain.shape[0] != layer_of(module).channels:
        return None
    return replace(layer_of(module), weight=GAIN)


def spatial_axes(norm: nn.Module) -> int:
    """Axes behind the channels that a batch or instance norm expects; 1 for a class of the user's own."""
    return next((axes for kind, axes in SPATIAL.items() if isinstance(norm, kind)), 1)


def folded(module: nn.Module, layer: Layer, scale: Tensor, shift: Tensor | None) -> dict[str, Tensor]:
    """New values of the layer's weight and, where there is one, bias, by name, for a scale [C] and a shift [C].

    Computed in float64 where the device has it, else in the weights' own type; returned in the weights' type.
    """
    weight = module.get_parameter(layer.weight).detach()
    work = torch.promote_types(weight.dtype, torch.float64) if weight.device.type != "mps" else weight.dtype
    s = scale.detach().to(weight.device, work)
    if isinstance(module, _ConvTransposeNd):
        groups, inputs, outputs = module.groups, module.in_channels, module.out_channels
        view = weight.to(work).reshape(groups, inputs // groups, outputs // groups, -1)
        new = (view * s.view(groups, 1, -1, 1)).reshape(weight.shape)
    else:
        shape = [1] * weight.ndim
        shape[layer.weight_axis] = -1
        new = weight.to(work) * s.view(shape)
        if layer.offset:
            new += layer.offset * (s.view(shape) - 1)
    result = {layer.weight: new.to(weight.dtype)}
    if layer.shift:
        assert shift is not None
        bias = module.get_parameter(layer.bias).detach()
        shape = [1] * bias.ndim
        shape[layer.weight_axis if bias.ndim > 1 else 0] = -1
        t = shift.detach().to(bias.device, work)
        result[layer.bias] = (bias.to(work) * s.view(shape) + t.view(shape)).to(bias.dtype)
    return result


def example_input(module: nn.Module, generator: torch.Generator) -> Tensor:
    """A small random input in double precision that the layer accepts: complex where its weights are."""
    if isinstance(module, _ConvNd):
        room = [int(p) if isinstance(p, int) else 0 for p in module.padding]  # "same" and "valid" need none
        room += [0] * (len(module.kernel_size) - len(room))
        sizes = [
            d * (k - 1) + 1 + 2 * p + (p > 0)
            for d, k, p in zip(module.dilation, module.kernel_size, room, strict=False)
        ]
        shape = [1, module.in_channels, *sizes]
    elif isinstance(module, nn.Linear):
        shape = [2, module.in_features]
    elif isinstance(module, SHAPED):
        shape = [2, *module.normalized_shape]
    elif isinstance(module, nn.GroupNorm):
        shape = [2, module.num_channels, 3]
    else:
        assert isinstance(module, (_BatchNorm, _InstanceNorm))
        shape = [2, module.num_features, *([3] * spatial_axes(module))]
    complex_ = any(p.is_complex() for p in module.parameters())
    return torch.randn(shape, generator=generator, dtype=torch.complex128 if complex_ else torch.float64)


def random_scale(channels: int, generator: torch.Generator) -> Tensor:
    """Scales [C] in float64 between 0.5 and 1.5, in either direction: a ReLU passes positive ones alone."""
    size = 0.5 + torch.rand(channels, generator=generator, dtype=torch.float64)
    return size * (1 - 2 * torch.randint(2, (channels,), generator=generator))


def adds_parameters(module: nn.Module) -> bool:
    """Whether a layer has more parameters than its class of torch, those of its children included."""
    names = (name for name, _ in module.named_parameters())
    return any(name not in ("weight", "bias") and not name.startswith("parametrizations.") for name in names)


@torch.no_grad()
def verify(name: str, module: nn.Module, layer: Layer) -> None:
    """Run the layer with folded weights and the layer followed by a random scale and shift, in float64, and compare.

    A layer with parameters that its class of torch lacks is run with other values of all of them too, since some start
    where they do nothing, and in training mode, in which it may use them otherwise.

    Raises:
        YotoError: If they differ: the layer's `forward` is then not the affine map its class promises.
    """
    where = "in float64"
    try:
        found, allowed = fold_error(module, layer)
        if found <= allowed and adds_parameters(module):
            found, allowed = fold_error(module, layer, varied=True)
            if found <= allowed:
                with suppress(Exception):  # so few samples may be too few to train on
                    found, allowed = fold_error(module, layer, varied=True, training=True)
                    where = "in training mode"
    except Exception as error:  # noqa: BLE001 - a layer may raise anything on an input that is not its own
        shape = tuple(example_input(module, torch.Generator()).shape)
        raise YotoError(
            f"Layer {name!r} ({type(module).__name__}) cannot be conditioned: it could not be run on an input of shape "
            f"{shape} ({type(error).__name__}: {' '.join(str(error).split())[:120]}). Leave it out with exclude=."
        ) from None
    if any(not bool(p.isfinite().all()) for p in module.parameters(recurse=False)):
        raise YotoError(
            f"Layer {name!r} ({type(module).__name__}) cannot be conditioned: its parameters hold NaN or infinity."
        )
    if not found <= allowed:
        raise YotoError(
            f"Layer {name!r} ({type(module).__name__}) cannot be conditioned: its folded form deviates by {found:.1e} "
            f"{where}, so its forward does more than its class says. Leave it out with exclude=."
        )


def fold_error(module: nn.Module, layer: Layer, varied: bool = False, training: bool = False) -> tuple[float, float]:
    """By how much a fold at a random scale and shift deviates on a random input, and what is allowed.

    Args:
        varied: Whether all parameters are set to other values before.
    """
    generator = torch.Generator().manual_seed(0)
    plain = double(copy_of(module).cpu()).train(training)
    for parameter in plain.parameters() if varied else ():  # upwards: what has to be positive stays so
        noise = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data += 0.3 * noise * (float(parameter.abs().mean()) or 1.0)
    x = example_input(plain, generator)

    def run() -> Tensor:
        with streams_kept(CPU) if varied else nullcontext():
            if varied:
                seed_all(0, CPU)
            output = plain(x.clone())  # a layer may change its input in place
        if not isinstance(output, Tensor):
            raise TypeError(f"it gives a {type(output).__name__} in place of a tensor")
        return output

    output = run()
    s = random_scale(layer.channels, generator)
    t = torch.randn(layer.channels, generator=generator, dtype=torch.float64) if layer.shift else None
    shape = [1] * output.ndim
    shape[layer.channel_axis(output)] = -1
    expected = output * s.view(shape) + (0 if t is None else t.view(shape))
    for key, value in folded(plain, layer, s, t).items():
        plain.get_parameter(key).data.copy_(value)
    return deviation(run(), expected), tolerance_of(output)


def tolerance_of(output: Tensor) -> float:
    """The largest relative deviation of a fold: of float32 where a layer computes in it whatever it is given."""
    single = torch.complex64 if output.is_complex() else torch.float32
    return FLOAT32_TOLERANCE if torch.equal(output, output.to(single).to(output.dtype)) else CHECK_TOLERANCE


def deviation(found: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, relative to the largest finite expected one; equal infinities do not differ."""
    if not expected.numel():
        return 0.0
    apart = torch.where(found == expected, 0.0, (found - expected).abs())
    size = expected.abs()
    return float(apart.max() / torch.where(size.isinf(), 0.0, size).max().clamp_min(1e-12))
