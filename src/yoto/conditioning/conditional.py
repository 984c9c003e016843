"""The conditional network: bound at a λ (or one λ per sample) for use, baked at one λ into a plain network."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Generic, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn

from yoto.conditioning.baking import check, fold, recalibrated, refresh, untie
from yoto.conditioning.binding import Modulation, before_class, bound_clone, registered, site_class
from yoto.conditioning.compiling import lam_as_tensor
from yoto.conditioning.conditioner import Conditioner
from yoto.conditioning.copies import copy_of, follow, uncopied
from yoto.conditioning.film import ConditioningNetwork
from yoto.conditioning.first_call import Watch
from yoto.conditioning.folding import Layer, Site
from yoto.conditioning.layouts import SampleLayout
from yoto.conditioning.ranks import refuse_sharded, warn_unwrapped
from yoto.conditioning.references import find_links
from yoto.errors import YotoError
from yoto.space import Distribution, LossSpace, Value
from yoto.space.limits import refuse_outside
from yoto.support.tables import aligned

M = TypeVar("M", bound=nn.Module)
Lambda: TypeAlias = "Tensor | Mapping[str, Value] | Sequence[float]"
CONDITIONERS: dict[str, type[Conditioner]] = {"film": ConditioningNetwork}
"""What may compute the values of the sites, by the name that a model's config gives; FiLM where it gives none."""


def conditioner_of(config: Mapping[str, Any]) -> type[Conditioner]:
    """The class of the conditioner that the arguments of `condition` ask for."""
    return CONDITIONERS[config.get("conditioner", "film")]


class Conditioned:
    """The conditioned layers and the parameters they add; prints as a table, the dearest first."""

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
        rows = []
        for site, added in sorted(zip(self.sites, self.added, strict=True), key=lambda pair: -pair[1]):
            film = "scale, shift" if site.layer.shift else "scale"
            rows.append((site.name, site.type, str(site.layer.channels), film, f"{added:,}"))
        if self.trunk:
            rows.append(("(shared trunk)", "", "", "", f"{self.trunk:,}"))
        share = 100 * total / max(self.plain, 1)
        rows.append((f"{len(self)} layers", "", "", "", f"{total:,} (+{share:.1f} % of {self.plain:,})"))
        return aligned(("layer", "type", "channels", "FiLM", "parameters"), rows)

    __repr__ = __str__


class Conditional(nn.Module, Generic[M]):
    """A network that is conditioned on the loss parameters. Made by `condition`.

    Attributes:
        plain: The plain network (a copy); its `state_dict` keys are those of the original under "plain.".
        film: The conditioning network; keys under "film.".
        space: The loss space.
        config: The arguments of `condition` that rebuild it, JSON-able.

    >>> from yoto import LogUniform, condition
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model = condition(net, LossSpace(fit=1.0, penalty=LogUniform(0.01, 10)))
    >>> x = torch.rand(5, 3)
    >>> model(x, at=model.space.sample(5)).shape, model.at(penalty=0.1)(x).shape
    (torch.Size([5, 2]), torch.Size([5, 2]))
    >>> plain = model.bake(penalty=0.1)
    >>> round((plain(x) - model.at(penalty=0.1)(x)).abs().max().item(), 5)
    0.0
    """

    def __init__(self, plain: M, space: LossSpace, sites: Sequence[Site], config: dict[str, Any]) -> None:
        super().__init__()
        self.plain = plain
        self.space = space
        self.config = config
        self.sites = tuple(sites)
        self.batch_dim: int = config["batch_dim"]
        self.film = conditioner_of(config).from_config(space, sites, config)
        # What the space and the site classes cache is computed here, outside any trace.
        space.encode(space.median(), config["fourier"], config["raw"])
        for site in sites:
            module = plain.get_submodule(site.name)
            if site.layer.before:
                before_class(type(module.get_submodule(site.layer.before)))
            else:
                site_class(type(module), site.layer.inside)

        self.prepare()

    def prepare(self) -> None:
        """What follows from the rest: attributes beside the tree, λ's keywords, how layers hold the samples."""
        self.links = find_links(self.plain)
        self.keywords = tuple(dict.fromkeys([*self.space.free, *self.space.names]))
        learned = (self.config.get("learned") or {}).get("layouts") or {}
        self.layouts = {name: tuple(SampleLayout(*each) for each in layouts) for name, layouts in learned.items()}
        self.checked = self.told = "layouts" in (self.config.get("learned") or {})  # else first calls are looked at
        self.register_forward_pre_hook(lam_as_tensor, with_kwargs=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if "layouts" not in state:  # pickled before there was such a thing
            self.prepare()
        self.__dict__.setdefault("told", self.checked)

    def __deepcopy__(self, memo: dict[int, Any]) -> Conditional[M]:
        result: Conditional[M] = type(self).__new__(type(self))
        memo |= {id(self): result, **uncopied(self)}
        result.__dict__.update(deepcopy(self.__dict__, memo))
        follow(result, memo)
        return result

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
            YotoError: If the shape is not [D] or [B, D], or a value leaves its range (a tensor's are looked at outside
                compiled graphs only).
        """
        if at is None or isinstance(at, Mapping):
            at = self.space.point(at, extrapolate=extrapolate, **values)
        elif values:
            raise YotoError(f"λ should be given as a tensor or by name. Found both (names {', '.join(values)}).")
        elif not isinstance(at, Tensor):
            try:
                at = torch.as_tensor(at, dtype=torch.float32)
            except (TypeError, ValueError, RuntimeError):
                raise YotoError(
                    "λ should be a tensor [D] or [B, D], numbers in the order of its columns or values by name. "
                    f"Found {at!r}."
                ) from None
        if at.ndim not in (1, 2) or at.shape[-1] != len(self.space.names):
            raise YotoError(
                f"λ should have shape [{len(self.space.names)}] or [B, {len(self.space.names)}], columns "
                f"{', '.join(self.space.names)}. Found {tuple(at.shape)}."
            )
        if not extrapolate and not torch.compiler.is_compiling():
            refuse_outside(self.space, at)
        parameter = next(self.film.parameters())
        return at.to(parameter.device, torch.float32 if at.dtype != torch.float64 else at.dtype)

    def modulations(self, lam: Tensor) -> dict[str, Modulation]:
        """FiLM values of every site at λ [D] or [B, D]; computed outside autocast."""
        parameter = next(self.film.parameters())
        with torch.autocast(parameter.device.type, enabled=False):
            encoding = self.space.encode(lam, self.config["fourier"], self.config["raw"]).to(parameter.dtype)
            values = self.film(encoding)
        return {
            site.name: Modulation(site, scale, shift, self.batch_dim, self.layouts)
            for site, (scale, shift) in zip(self.sites, values, strict=True)
        }

    def at(self, at: Lambda | None = None, *, extrapolate: bool = False, **values: Value) -> M:
        """The plain network bound at λ: an object of its class whose every method acts at λ.

        It shares parameters and buffers with this module; gradients reach the conditioning network. In training, and
        outside of compiled graphs, numbers, text and tensors that a call of one of its modules sets as attributes (a
        counter, a flag, a hidden state) go on in this module, tensors with a graph if the attribute was there before;
        what another method sets that is called by itself stays with the bound object. In evaluation all of it does, as
        does what is put into a dictionary, list, set, dataclass or empty buffer (a cache, features), but for those that
        a hook holds in its closure.

        It goes past whatever wraps or compiles this module, which act on `forward` alone: `torch.compile(model).at(…)`
        is not compiled, and under DDP its gradients are not averaged (on several ranks it warns once). For those wrap
        `yoto.LossStep`.

        Args:
            at: λ [D] for all samples, [B, D] with a λ per sample, or a mapping of names.
            values: The free parameters by name instead.
        """
        lam = self.lam(at, extrapolate=extrapolate, **values)
        if not torch.compiler.is_compiling():
            warn_unwrapped(self)
        plain: M = registered(self, "plain")  # type: ignore[assignment]
        bound = bound_clone(plain, self.modulations(lam), self.links)
        samples = lam.shape[0] if lam.ndim == 2 else 1
        if not torch.compiler.is_compiling() and not (self.checked if samples > 1 else self.told):
            Watch(self, bound, samples)
        return bound

    def widened(self, **ranges: Distribution) -> Conditional[M]:
        """A copy with wider ranges of some loss parameters, to train on: in the old ranges it is this model.

        Args:
            ranges: As for `LossSpace.widened`: what they hold of λ that was not learned is a start only.

        >>> from yoto import LogUniform, condition
        >>> model = condition(nn.Linear(3, 2), LossSpace(fit=1.0, penalty=LogUniform(0.1, 10)))
        >>> wider = model.widened(penalty=LogUniform(0.01, 100))
        >>> x = torch.rand(5, 3)
        >>> torch.allclose(wider(x, penalty=2.0), model(x, penalty=2.0)), wider(x, penalty=50.0).shape
        (True, torch.Size([5, 2]))
        """
        space = self.space.widened(**ranges)
        result = copy_of(self)
        result.space = space
        return result

    def take_up(self, layouts: Mapping[str, Sequence[SampleLayout]]) -> None:
        """Keep how layers hold the samples, as a probing run showed, with what `config` rebuilds."""
        if layouts:
            self.layouts.update({name: tuple(each) for name, each in layouts.items()})
            self.config["learned"] = {**self.config.get("learned", {}), **learned_config(self.layouts)}

    def forward(self, *args: Any, at: Lambda | None = None, extrapolate: bool = False, **kwargs: Any) -> Any:
        """The plain network's output at λ, given as for `at()`; everything else is passed on.

        Raises:
            YotoError: As `lam`, and if λ is missing: in `model(x, lam)` it would be another input of the network.

        >>> from yoto import LogUniform, condition
        >>> model = condition(nn.Linear(3, 2), LossSpace(fit=1.0, penalty=LogUniform(0.01, 10)))
        >>> x = torch.zeros(5, 3)
        >>> model(x, penalty=0.1).shape, model(x, at=model.space.sample(5)).shape
        (torch.Size([5, 2]), torch.Size([5, 2]))
        """
        values = {name: kwargs.pop(name) for name in self.keywords if name in kwargs} if at is None else {}
        if at is None and not values and self.space.free and len(args) > 1:
            raise YotoError(
                f"λ should be given by keyword, model(x, at=lam), or by name, such as {self.space.free[0]}=…. Found "
                f"{len(args)} inputs by position and no λ: by position everything is the network's."
            )
        return self.at(at, extrapolate=extrapolate, **values)(*args, **kwargs)

    @torch.no_grad()
    def bake(
        self,
        at: Lambda | None = None,
        *,
        into: M | None = None,
        probe: Any = None,
        recalibrate: Iterable[Any] | None = None,
        judge: Callable[[M], float] | None = None,
        extrapolate: bool = False,
        **values: Value,
    ) -> M:
        """A plain network at one λ: the original class, with scale and shift folded into its parameters.

        Args:
            at: λ [D] or a mapping; or the free parameters by name.
            into: A network that an earlier `bake` returned: rewritten in place (for sliders) and returned.
            probe: An example input (tensor, tuple of arguments or dict of keyword arguments): outputs of the
                result and of the bound network are compared, in evaluation mode and with equal random numbers.
            recalibrate: Batches (as `probe`) over which the running statistics of batch norms are re-estimated: after
                training with one λ per batch. A λ per sample trains the network under statistics of the mixture of
                all λ, which fit it, and others made it worse.
            judge: The loss of a plain network, lower being better: `recalibrate` then keeps the statistics of training
                where they are better, and says so.

        Raises:
            YotoError: If λ is per sample, parameters are in shards, `into` has another structure or shares weights with
                the model, or the outputs on `probe` deviate by more than 1e-5 relative in float32.
        """
        refuse_sharded(self, "bake")
        lam = self.lam(at, extrapolate=extrapolate, **values)
        if lam.ndim != 1:
            raise YotoError(
                f"`bake` should get one λ, shape [{len(self.space.names)}]. Found shape {tuple(lam.shape)}."
            )
        modulations = self.modulations(lam)
        target = copy_of(self.plain) if into is None else into
        if into is None:
            for remark in untie(target, [s.name for s in self.sites]):
                warnings.warn(f"bake(): {remark}.", stacklevel=3)
        else:
            refresh(self.plain, self.sites, into)
        fold(self.plain, target, modulations)
        if probe is not None:
            check(self.plain, target, modulations, probe)
        if recalibrate is not None:
            kept = recalibrated(target, recalibrate, judge)
            if kept is not None:
                warnings.warn(f"bake(): {kept}.", stacklevel=3)
        return target


def learned_config(
    layouts: Mapping[str, Sequence[SampleLayout]] | None = None, layers: Mapping[str, Layer] | None = None
) -> dict[str, dict[str, Any]]:
    """What a probing run showed, as JSON: how layers hold the samples, and how those of unknown classes fold."""
    result: dict[str, dict[str, Any]] = {}
    if layouts is not None:
        result["layouts"] = {name: [[e.ndim, e.axis, e.order] for e in each] for name, each in layouts.items()}
    if layers:
        result["layers"] = {name: layer.to_dict() for name, layer in layers.items()}
    return result


def bind(model: nn.Module, at: Tensor) -> nn.Module:
    """A `Conditional` bound at λ; any other module as it is (a reference, trained for one λ)."""
    return cast(nn.Module, model.at(at, extrapolate=True)) if isinstance(model, Conditional) else model
