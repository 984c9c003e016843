"""Plain network in, conditional network while training, plain network out.

`condition` copies an ordinary module and gives chosen layers a scale and shift per channel that depend on the loss
parameters λ. `Conditional.at` binds it at a λ (or one λ per sample), `Conditional.bake` folds one λ into ordinary
weights of the original class.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from yoto.conditioning.film import (
    ConditioningNetwork,
    Gain,
    Layout,
    Modulation,
    Site,
    bound_clone,
    refuse_bound,
    site_class,
)
from yoto.conditioning.folding import deviation, folded, verify
from yoto.conditioning.sites import Selection, select
from yoto.errors import YotoError
from yoto.space import LossSpace, Value

M = TypeVar("M", bound=nn.Module)
Lambda: TypeAlias = "Tensor | Mapping[str, Value] | Sequence[float]"

PROBE_TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 5e-2, torch.float16: 1e-2}
TF32_TOLERANCE = 1e-2
"""On a GPU that rounds the factors of float32 products to TF32."""
WRAPPERS = (
    "OptimizedModule",
    "DistributedDataParallel",
    "DataParallel",
    "ScriptModule",
    "RecursiveScriptModule",
)


class Conditioned:
    """The conditioned layers and the parameters they add; prints as a table."""

    def __init__(self, sites: Sequence[Site], added: Sequence[int], trunk: int, plain: int) -> None:
        self.sites = tuple(sites)
        self.added = tuple(added)
        self.trunk = trunk
        self.plain = plain

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the conditioned layers in the plain network."""
        return tuple(site.name for site in self.sites)

    def __len__(self) -> int:
        return len(self.sites)

    def __str__(self) -> str:
        total = sum(self.added) + self.trunk
        rows = [("layer", "type", "channels", "FiLM", "parameters")]
        for site, added in zip(self.sites, self.added, strict=True):
            film = "scale, shift" if site.layer.shift else "scale"
            rows.append((site.name, site.type, str(site.layer.channels), film, f"{added:,}"))
        if self.trunk:
            rows.append(("(shared trunk)", "", "", "", f"{self.trunk:,}"))
        share = 100 * total / max(self.plain, 1)
        rows.append((f"{len(self)} layers", "", "", "", f"{total:,} (+{share:.1f} % of {self.plain:,})"))
        widths = [max(len(r[i]) for r in rows) for i in range(4)]
        return "\n".join(
            "  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[4]]).rstrip() for r in rows
        )

    __repr__ = __str__


class Conditional(nn.Module, Generic[M]):
    """A network that is conditioned on the loss parameters. Made by `condition`.

    Attributes:
        plain: The plain network (a copy); its `state_dict` keys are those of the original under "plain.".
        film: The conditioning network; keys under "film.".
        space: The loss space.
        config: The arguments of `condition` that rebuild it, JSON-able.
    """

    def __init__(self, plain: M, space: LossSpace, sites: Sequence[Site], config: dict[str, Any]) -> None:
        super().__init__()
        self.plain = plain
        self.space = space
        self.config = config
        self.sites = tuple(sites)
        self.batch_dim: int = config["batch_dim"]
        inputs = space.encoded_size(config["fourier"], config["raw"])
        self.film = ConditioningNetwork(
            inputs, sites, config["hidden"], config["layout"], config["multiplier"], config["gain"], config["skip"]
        )
        # What the space and the site classes cache is computed here, outside any trace.
        space.encode(space.median(), config["fourier"], config["raw"])
        for site in sites:
            site_class(type(plain.get_submodule(site.name)))

    def extra_repr(self) -> str:
        return f"free={', '.join(self.space.free)}; {len(self.sites)} conditioned layers"

    @property
    def conditioned(self) -> Conditioned:
        """Table of the conditioned layers and added parameters."""
        added = self.film.added()
        total = sum(p.numel() for p in self.film.parameters())
        return Conditioned(self.sites, added, total - sum(added), sum(p.numel() for p in self.plain.parameters()))

    def lam(self, at: Lambda | None = None, *, extrapolate: bool = False, **values: Value) -> Tensor:
        """λ as a tensor [D] or [B, D] on the network's device, from a tensor, numbers in column order, or names.

        Raises:
            YotoError: If the shape is not [D] or [B, D], or named values leave their range.
        """
        if at is None or isinstance(at, Mapping):
            at = self.space.point(at, extrapolate=extrapolate, **values)
        elif values:
            raise YotoError(f"λ should be given as a tensor or by name. Found both (names {', '.join(values)}).")
        elif not isinstance(at, Tensor):
            at = torch.as_tensor(at, dtype=torch.float32)
        if at.ndim not in (1, 2) or at.shape[-1] != len(self.space.names):
            raise YotoError(
                f"λ should have shape [{len(self.space.names)}] or [B, {len(self.space.names)}], columns "
                f"{', '.join(self.space.names)}. Found {tuple(at.shape)}."
            )
        weight = next(self.film.parameters())
        return at.to(weight.device, torch.float32 if at.dtype != torch.float64 else at.dtype)

    def modulations(self, lam: Tensor) -> dict[str, Modulation]:
        """FiLM values of every site at λ [D] or [B, D]; computed outside autocast."""
        weight = next(self.film.parameters())
        with torch.autocast(weight.device.type, enabled=False):
            encoding = self.space.encode(lam, self.config["fourier"], self.config["raw"]).to(weight.dtype)
            values = self.film(encoding)
        return {
            site.name: Modulation(site, scale, shift, self.batch_dim)
            for site, (scale, shift) in zip(self.sites, values, strict=True)
        }

    def at(self, at: Lambda | None = None, *, extrapolate: bool = False, **values: Value) -> M:
        """The plain network bound at λ: an object of its class whose every method acts at λ.

        It shares parameters and buffers with this module; gradients reach the conditioning network. Other attributes
        that a method sets (a counter, say) stay with the bound object.

        Args:
            at: λ [D] for all samples, [B, D] with a λ per sample, or a mapping of names.
            values: The free parameters by name instead.
        """
        return bound_clone(self.plain, self.modulations(self.lam(at, extrapolate=extrapolate, **values)))

    def forward(self, *args: Any, at: Lambda, **kwargs: Any) -> Any:
        """The plain network's output at λ; `at` as in `at()`, everything else is passed on."""
        return self.at(at)(*args, **kwargs)

    @torch.no_grad()
    def bake(
        self,
        at: Lambda | None = None,
        *,
        into: M | None = None,
        probe: Any = None,
        recalibrate: Iterable[Any] | None = None,
        extrapolate: bool = False,
        **values: Value,
    ) -> M:
        """A plain network at one λ: the original class, with scale and shift folded into its weights.

        Args:
            at: λ [D] or a mapping; or the free parameters by name.
            into: A network that an earlier `bake` returned: rewritten in place (for sliders) and returned.
            probe: An example input (tensor, tuple of arguments or dict of keyword arguments): outputs of the
                result and of the bound network are compared, in evaluation mode and with equal random numbers.
            recalibrate: Batches (as `probe`) over which the running statistics of batch norms are re-estimated.

        Raises:
            YotoError: If λ is per sample, `into` has another structure or shares weights with the model, or the
                outputs on `probe` deviate by more than 1e-5 relative in float32.
        """
        lam = self.lam(at, extrapolate=extrapolate, **values)
        if lam.ndim != 1:
            raise YotoError(
                f"`bake` should get one λ, shape [{len(self.space.names)}]. Found shape {tuple(lam.shape)}."
            )
        modulations = self.modulations(lam)
        target = copy.deepcopy(self.plain) if into is None else into
        if into is None:
            untie(target, [s.name for s in self.sites])
        else:
            self.refresh(into)
        for name, modulation in modulations.items():
            module, layer = self.plain.get_submodule(name), modulation.site.layer
            goal = target.get_submodule(name)
            for key, value in folded(module, layer, modulation.scale, modulation.shift).items():
                goal.get_parameter(key).copy_(value)
        if probe is not None:
            self.compare(target, lam, probe)
        if recalibrate is not None:
            recalibrate_norms(target, recalibrate)
        return target

    def refresh(self, into: nn.Module) -> None:
        """Copy the stored plain weights and buffers into an earlier result of `bake`."""
        ours = {
            **dict(self.plain.named_parameters(remove_duplicate=False)),
            **dict(self.plain.named_buffers(remove_duplicate=False)),
        }
        theirs = {
            **dict(into.named_parameters(remove_duplicate=False)),
            **dict(into.named_buffers(remove_duplicate=False)),
        }
        if type(into) is not type(self.plain) or {n: p.shape for n, p in ours.items()} != {
            n: p.shape for n, p in theirs.items()
        }:
            raise YotoError(
                f"`into` should be a network that bake() of this model returned, a {type(self.plain).__name__} with "
                f"the same parameters. Found a {type(into).__name__}."
            )
        mine = {t.untyped_storage().data_ptr() for t in ours.values()}
        if any(t.untyped_storage().data_ptr() in mine for t in theirs.values() if t.numel()):
            raise YotoError("`into` should not share weights with this model. Give a network that bake() returned.")
        touched = {f"{s.name}.{key}" if s.name else key for s in self.sites for key in ("weight", "bias")}
        for name, tensor in theirs.items():
            if name not in touched:
                tensor.copy_(ours[name])

    def compare(self, target: nn.Module, lam: Tensor, probe: Any) -> None:
        """Refuse a baked network whose outputs differ from those of the bound one."""
        outputs = []
        for network in (self.at(lam), target):
            modes = [m.training for m in network.modules()]
            network.eval()
            with torch.random.fork_rng(devices=[lam.device] if lam.device.type == "cuda" else []):
                torch.manual_seed(0)
                outputs.append([t for t in pytree.tree_leaves(call(network, probe)) if isinstance(t, Tensor)])
            for module, mode in zip(network.modules(), modes, strict=True):
                module.training = mode
        for expected, found in zip(*outputs, strict=True):
            if not expected.is_floating_point():
                continue
            relative = deviation(found, expected)
            tf32 = expected.is_cuda and (torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
            allowed = max(PROBE_TOLERANCE.get(expected.dtype, 1e-5), TF32_TOLERANCE if tf32 else 0.0)
            if not relative <= allowed:
                raise YotoError(
                    f"The baked network should give the bound network's outputs. Found a relative deviation of "
                    f"{relative:.1e} on the probe, above {allowed:.0e}. Usually a layer's weight is used without "
                    "calling the layer: leave it out with exclude=."
                )


def call(network: nn.Module, inputs: Any) -> Any:
    """Run a network on a tensor, a tuple of arguments or a dict of keyword arguments."""
    if isinstance(inputs, Mapping):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, (tuple, list)) else network(inputs)


def untie(net: nn.Module, sites: Sequence[str]) -> None:
    """Give each site parameters of its own where another module shares them, and say so."""
    owners: dict[int, set[tuple[int, str]]] = {}
    for module in net.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                owners.setdefault(id(parameter), set()).add((id(module), key))
    for name in sites:
        module = net.get_submodule(name)
        for key, parameter in list(module._parameters.items()):
            if parameter is not None and len(owners[id(parameter)]) > 1:
                warnings.warn(
                    f"bake(): {name}.{key} is shared with another layer and is untied in the result.",
                    stacklevel=3,
                )
                owners[id(parameter)].discard((id(module), key))
                module._parameters[key] = nn.Parameter(
                    parameter.detach().clone(), requires_grad=parameter.requires_grad
                )


def recalibrate_norms(net: nn.Module, batches: Iterable[Any]) -> None:
    """Re-estimate running statistics of batch norms as plain averages over `batches`."""
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    batches = list(batches)
    if not batches:
        raise YotoError("`recalibrate` should hold at least one batch. Found none.")
    modes, momenta = [m.training for m in net.modules()], [m.momentum for m in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.training = True
    for batch in batches:
        call(net, batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in zip(net.modules(), modes, strict=True):
        module.training = mode


def check_layout(layout: Layout, gain: Gain, skip: bool) -> None:
    """Refuse settings of the conditioning network that do not exist or do not go together."""
    if layout not in ("shared", "separate"):
        raise YotoError(f"`layout` should be 'shared' or 'separate'. Found {layout!r}.")
    if gain not in ("linear", "exponential"):
        raise YotoError(f"`gain` should be 'linear' or 'exponential'. Found {gain!r}.")
    if skip and layout != "shared":
        raise YotoError("`skip` should be used with the shared layout. Found layout='separate'.")


def bind(model: nn.Module, at: Tensor) -> nn.Module:
    """A `Conditional` bound at λ; any other module as it is (a network for fixed weights)."""
    return cast(nn.Module, model.at(at)) if isinstance(model, Conditional) else model


def condition(
    net: M,
    space: LossSpace,
    *,
    sites: Selection = None,
    exclude: str | None = None,
    hidden: Sequence[int] = (64,),
    layout: Layout = "shared",
    multiplier: float = 0.1,
    gain: Gain = "linear",
    skip: bool = False,
    fourier: int = 0,
    raw: bool = False,
    batch_dim: int = 0,
    channel_axis: Mapping[str, int] | None = None,
) -> Conditional[M]:
    """Make a network conditional on the loss parameters of `space`. `net` itself is left as it is.

    Args:
        net: Any module with convolutions, transposed convolutions, linear layers or norms.
        space: The loss space, with at least one free parameter.
        sites: Layers to condition: None for the rule (every layer that folds; of a layer and a batch, instance or group
            norm right behind it the norm), a regular expression for whole names, a type, or a list of names or types.
        exclude: Regular expression of names to leave out.
        hidden: Widths of the conditioning network's hidden layers.
        layout: "shared" trunk with a head per site, or the paper's "separate" MLPs.
        multiplier: ε in scale 1 + ε·s and shift ε·t; the paper's code has 0.1 and 0.01.
        gain: "linear" as above; "exponential" for scale exp(ε·s), where a layer's gain has to span a wide range.
        skip: Whether the heads of the shared layout read the conditioning vector too, beside the trunk's features.
        fourier: Number of Fourier features of each interval, see `LossSpace.encode`.
        raw: Feed logs of the weights unscaled, as the paper's code does.
        batch_dim: Dimension of the layers' outputs that holds the samples.
        channel_axis: For LayerNorms over several dimensions: name to (negative) axis of the channels.

    Raises:
        YotoError: If no layer matches, a layer does not fold exactly (checked in float64 for each), the space has no
            free parameter, or `net` is wrapped (compiled, DDP) or bound.

    >>> from yoto import LogUniform
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model = condition(net, LossSpace(fit=1.0, penalty=LogUniform(0.01, 10)))
    >>> model(torch.zeros(5, 3), at={"penalty": 0.1}).shape
    torch.Size([5, 2])
    >>> type(model.bake(penalty=0.1)).__name__
    'Sequential'
    """
    if not isinstance(net, nn.Module):
        raise YotoError(f"`net` should be a torch.nn.Module. Found {type(net).__name__}.")
    for name, module in net.named_modules():
        if type(module).__name__ in WRAPPERS or isinstance(module, (Conditional, torch.jit.ScriptModule)):
            raise YotoError(
                f"`net` should be a plain network. Found {type(module).__name__} at {name or 'its root'!r}. "
                "Condition first, then compile or wrap the result."
            )
    refuse_bound(net, "condition")
    if not space.free:
        raise YotoError(f"`space` should have a free parameter. Found only fixed ones: {', '.join(space.fixed)}.")
    check_layout(layout, gain, skip)
    if isinstance(hidden, int) or any(width < 1 for width in hidden):
        raise YotoError(f"`hidden` should be a list of widths ≥ 1. Found {hidden!r}.")
    if raw and not space.positive:
        raise YotoError("`raw` should be used with weights above 0 only. Found a range that contains 0.")
    if fourier < 0 or batch_dim < 0:
        raise YotoError(f"`fourier` and `batch_dim` should be ≥ 0. Found {fourier} and {batch_dim}.")
    axes = dict(channel_axis or {})
    plain = copy.deepcopy(net)
    chosen, remarks = select(plain, sites, exclude, axes)
    for remark in remarks:
        warnings.warn(f"condition(): {remark}.", stacklevel=2)
    for site in chosen:
        verify(site.name, plain.get_submodule(site.name), site.layer)
    config = {
        "sites": [s.name for s in chosen],
        "hidden": list(hidden),
        "layout": layout,
        "multiplier": float(multiplier),
        "gain": gain,
        "skip": skip,
        "fourier": fourier,
        "raw": raw,
        "batch_dim": batch_dim,
        "channel_axis": axes,
    }
    model = Conditional(plain, space, chosen, config)
    reference = next(plain.parameters())
    model.film.to(
        reference.device,
        reference.dtype if reference.dtype in (torch.float32, torch.float64) else torch.float32,
    )
    model.training = net.training  # of this module alone: parts of the network may have modes of their own
    model.film.train(net.training)
    return model
