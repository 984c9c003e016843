"""The loss space: names, ranges and distribution P_λ of the loss parameters.

One object draws λ for training, checks what a user asks for, tells the conditioning network about it, weighs the
loss terms with it, and travels as JSON with every checkpoint and bundle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError, near_misses
from yoto.space.checking import by_name, check_lam, checked, columns, named, read
from yoto.space.distribution import Distribution, Value
from yoto.space.encoding import encoded, encoded_size, positions
from yoto.space.grids import GRIDS, Grid, axis_points, lattice_points
from yoto.space.interval import Fixed
from yoto.space.kinds import distribution_from
from yoto.space.sampling import Sampling, check_tilt, drawn, spread_at, uniform_numbers
from yoto.space.terms import stacked
from yoto.support.numbers import check_whole, is_whole
from yoto.support.plain import allow_loading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

RESERVED = ("at", "into", "probe", "recalibrate", "judge", "extrapolate")
"""Arguments of `Conditional.at` and `bake`."""
WHOLE = "loss"
"""What curves and requests call the loss as a whole."""


class LossSpace:
    """Named loss parameters and the distribution P_λ they are drawn from.

    λ is a float32 tensor [..., D] whose columns are `names`. Parameters are independent of each other.

    Args:
        parameters: A distribution per name; a bare number is `Fixed`. `Simplex` and `Choice` own several columns.

    Raises:
        YotoError: If a column name occurs twice or stands for something else, or no parameter is given.

    >>> from yoto import LogUniform
    >>> space = LossSpace(reconstruction=1.0, kl=LogUniform(0.125, 512.0))
    >>> space.names, space.free
    (('reconstruction', 'kl'), ('kl',))
    >>> space.point(kl=4.0).tolist()
    [1.0, 4.0]
    """

    def __init__(self, **parameters: Distribution | float | Mapping[str, Any]) -> None:
        if not parameters:
            raise YotoError("A loss space should have at least one parameter. Found none.")
        self.parameters: dict[str, Distribution] = {n: distribution_from(n, p) for n, p in parameters.items()}
        self.slices: dict[str, slice] = {}
        names: list[str] = []
        for name, distribution in self.parameters.items():
            columns = distribution.columns(name)
            self.slices[name] = slice(len(names), len(names) + len(columns))
            names += columns
        doubled = {n for n in names if names.count(n) > 1}
        if doubled:
            raise YotoError(
                f"Names of loss parameters should differ. Found {', '.join(sorted(doubled))} more than once."
            )
        self.names = tuple(names)
        reserved = [n for n in (*parameters, *names) if n in RESERVED]
        if reserved:
            raise YotoError(f"{reserved[0]!r} should not name a loss parameter: it is an argument of `at` and `bake`.")
        if WHOLE in self.weights:
            raise YotoError(f"{WHOLE!r} should not name a weighted term: curves call the weighted sum by it.")
        allow_loading(space_from_json)

    # ---- what is in it

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are drawn from a distribution."""
        return tuple(n for n, d in self.parameters.items() if not isinstance(d, Fixed))

    @property
    def fixed(self) -> tuple[str, ...]:
        """Names of the constant parameters."""
        return tuple(n for n, d in self.parameters.items() if isinstance(d, Fixed))

    @property
    def weights(self) -> tuple[str, ...]:
        """Columns that weigh the loss term of the same name."""
        return tuple(c for n, d in self.parameters.items() if d.weight for c in d.columns(n))

    @property
    def free_weights(self) -> tuple[str, ...]:
        """Columns that weigh a loss term and vary."""
        return tuple(c for n in self.free if self.parameters[n].weight for c in self.parameters[n].columns(n))

    @property
    def positive(self) -> bool:
        """Whether every loss weight is above 0 throughout the space."""
        return all(min(v for point in d.grid(2) for v in point) > 0 for d in self.parameters.values() if d.weight)

    def index(self, column: str) -> int:
        """Position of a column in λ."""
        if column not in self.names:
            raise YotoError(f"{column!r} should be one of {', '.join(self.names)}.{near_misses(column, self.names)}")
        return self.names.index(column)

    def __repr__(self) -> str:
        return f"LossSpace({', '.join(f'{n}={d!r}' for n, d in self.parameters.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LossSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def widened(self, **ranges: Distribution) -> LossSpace:
        """This space with wider ranges of some parameters; a model of it keeps its outputs in the old ones.

        Raises:
            YotoError: If a parameter is unknown or no range, or the new range does not hold the old one.

        >>> from yoto import LogUniform
        >>> LossSpace(fit=1.0, kl=LogUniform(0.5, 8.0)).widened(kl=LogUniform(0.125, 512.0)).parameters["kl"].shown
        (0.5, 8.0)
        """
        for name in ranges:
            if name not in self.parameters:
                raise YotoError(f"{name!r} is no loss parameter of this space.{near_misses(name, self.free)}")
        wider = {name: self.parameters[name].widened(name, each) for name, each in ranges.items()}
        return LossSpace(**{**self.parameters, **wider})

    def __reduce__(self) -> tuple[Any, ...]:
        return space_from_json, (self.to_json(),)

    # ---- points

    def check(
        self, values: Mapping[str, Value] | None = None, /, *, extrapolate: bool = False, **more: Value
    ) -> list[float]:
        """One number per column for the given free parameters; needs no torch.

        Args:
            values: Free parameters by name, also as keywords. A `Choice` takes a name or weights by name, a
                `Simplex` its weights by term under its own keyword or directly (`content=0.2, style=0.8`). Columns as
                `describe` names them are understood too.
            extrapolate: Allow values outside the range.

        Raises:
            YotoError: Naming an unknown or missing parameter, or the range that a value left.
        """
        return checked(self.parameters, by_name(values, more, self.free), extrapolate)

    def point(
        self, values: Mapping[str, Value] | None = None, /, *, extrapolate: bool = False, **more: Value
    ) -> Tensor:
        """λ [D] at the given free parameters; arguments and errors as of `check`."""
        import torch

        return torch.tensor(self.check(values, extrapolate=extrapolate, **more), dtype=torch.float32)

    def median(self, **overrides: Value) -> Tensor:
        """λ [D] with every free parameter at its median, but for the given ones."""
        import torch

        values = [v for d in self.parameters.values() for v in d.median()]
        for name, value in overrides.items():
            if name not in self.parameters:
                raise YotoError(
                    f"{name!r} should be one of {', '.join(self.parameters)}."
                    f"{near_misses(name, tuple(self.parameters))}"
                )
            values[self.slices[name]] = self.parameters[name].check(name, value, False)
        return torch.tensor(values, dtype=torch.float32)

    def grid(self, n: int, joint: bool = False, *, kind: Grid = "axes") -> Tensor:
        """λ [m, D] over the space.

        Args:
            n: Number of points, as `kind` says.
            joint: The same as `kind="sobol"`.
            kind: "axes": `n` points along each free parameter, the others at their median, evenly spaced in
                probability, ends included; a `Choice` gives one per name whatever `n`. "lattice": every combination of
                `n` values of each; a `Simplex` of m terms gives a triangular lattice with `n` points along each edge,
                C(n + m - 2, m - 1) in all. "sobol": `n` points of a Sobol set over all free parameters.

        Raises:
            YotoError: If n < 1, or `kind` is none of these.
        """
        import torch

        check_whole("n", n)
        if kind not in GRIDS:
            raise YotoError(f"`kind` should be one of {', '.join(GRIDS)}. Found {kind!r}.")
        if joint or kind == "sobol":
            return self.sample(n, generator=torch.Generator().manual_seed(0), method="sobol")
        lattice = kind == "lattice"
        rows = lattice_points(self.parameters, n) if lattice else axis_points(self.parameters, self.slices, n)
        return torch.tensor(rows, dtype=torch.float32)

    def describe(self, lam: Tensor | Sequence[float]) -> dict[str, float]:
        """The free parameters' values in λ [D], by column name."""
        values = columns(lam, self.names)
        result: dict[str, float] = {}
        for name in self.free:
            result |= self.parameters[name].describe(name, values[self.slices[name]])
        return result

    # ---- tensors

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        method: Sampling = "stratified",
        tilt: float | Mapping[str, float] = 0.0,
        spread: float | None = None,
        progress: float | None = None,
        device: torch.device | str | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> Tensor:
        """Draw λ [n, D] from P_λ.

        All random numbers come from `generator`, in an amount that depends on the arguments alone. A draw that is to
        be repeated on resuming takes a generator made for its step, `torch.Generator().manual_seed(step)`, say.

        Args:
            n: Number of draws, one per sample of a batch (of this rank's batch, on several ranks).
            generator: CPU random stream; torch's default one if None.
            method: "iid"; "stratified" (each column once per n-th of its probability, in independent random
                orders); "sobol" (a scrambled Sobol set over all columns).
            tilt: Moves P_λ: an interval's density becomes ∝ exp(−tilt·u) over its position u in [0, 1], so above 0
                the low end is drawn more often. By parameter name, or one number for all intervals.
            spread: Below 1 narrows P_λ to that share of each parameter's probability, about its median (for a
                `Simplex`: near equal weights; a `Choice` keeps all its names). Above 1, up to 2, widens it: the share
                1 - 1/spread of draws lies at the two ends of an interval; weights of a `Simplex` are raised to that
                power, which moves them to its corners and edges. 1 by default.
            progress: How much of training is done, in [0, 1]: `spread` then follows the schedule that is recommended
                for loops of one's own, see `recommended_spread`, unless it is given.
            device: Where the result goes.
            rank, world: This rank and the number of ranks: they draw n·world values together, stratified over all of
                them, and each takes the n rows of its rank. All ranks pass the same n and generators in the same
                state, which they all advance alike.

        Raises:
            YotoError: If `n`, `method`, `spread` or `progress` is none of these, `tilt` names no interval, or
                several ranks have no generator to share.
        """
        import torch

        check_whole("n", n)
        if generator is not None and not isinstance(generator, torch.Generator):
            raise YotoError(f"`generator` should be a torch.Generator. Found {type(generator).__name__}.")
        if not (is_whole(rank) and is_whole(world) and 0 <= rank < world):
            raise YotoError(f"`rank` should be a whole number in [0, world). Found rank {rank!r} of {world!r}.")
        if world > 1 and generator is None:
            raise YotoError(
                "`generator` should be given with several ranks, in the same state on each: "
                "torch.Generator().manual_seed(seed). Found None."
            )
        check_tilt(tilt, self.parameters)
        width = sum(d.uniforms for d in self.parameters.values())
        uniform = uniform_numbers(n * world, width, generator, method)[rank * n : (rank + 1) * n]
        lam = drawn(self.parameters, uniform, tilt, spread_at(spread, progress))
        return lam.to(device=device, dtype=torch.float32)

    def encode(self, lam: Tensor, fourier: int = 0, raw: bool = False) -> Tensor:
        """The conditioning vector [..., E] of λ [..., D]: what the network is told.

        Free parameters only; logarithmic ranges by their log, scaled to [-1, 1]; a `Simplex` by standardised
        centred logs; a `Choice` by its weights.

        Args:
            lam: λ, columns in `names` order.
            fourier: Adds sin and cos of k·π·u/2, k = 1..fourier, for every interval's position u.
            raw: Logs of the weights as they are, as in the paper's code (Dosovitskiy & Djolonga, 2020).
        """
        check_lam(lam, self.names, any_rank=True)
        free = {name: self.parameters[name] for name in self.free}
        return encoded(lam, free, self.slices, fourier, raw)

    def encoded_size(self, fourier: int = 0, raw: bool = False) -> int:
        """Length E of the conditioning vector."""
        return encoded_size({name: self.parameters[name] for name in self.free}, fourier, raw)

    def positions(self, fourier: int = 0) -> list[int]:
        """The components of `encode(lam, fourier)` that are positions along an interval, in [-1, 1]."""
        return positions({name: self.parameters[name] for name in self.free}, fourier)

    def weights_of(self, lam: Tensor) -> Tensor:
        """The columns [..., W] of λ [..., D] that weigh terms, in the order of `weights`."""
        if self.weights == self.names:
            return lam
        import torch

        return torch.stack([lam[..., self.index(name)] for name in self.weights], dim=-1)

    def stack(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Terms by name, each [B], as one tensor [B, W] in the order of `weights`.

        Raises:
            YotoError: If names do not match the space's weights, or a term is not one number per sample.
        """
        return stacked(self.weights, terms)

    def combine(self, terms: Mapping[str, Tensor], lam: Tensor) -> Tensor:
        """The loss Σⱼ λⱼ·Lⱼ per sample, [B], of terms [B] at λ [B, D] or [D]; errors as of `stack`."""
        losses = self.stack(terms)
        check_lam(lam, self.names)
        if lam.ndim == 2 and len(lam) != len(losses):
            raise YotoError(f"λ should have a row for each of the {len(losses)} samples. Found {len(lam)} rows.")
        return (losses * self.weights_of(lam)).sum(dim=1)

    # ---- JSON

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: a distribution's arguments by parameter name."""
        return {name: distribution.to_dict() for name, distribution in self.parameters.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LossSpace:
        """The space that `to_dict` (or a recipe's `space` section) describes."""
        return cls(**named(data))

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> LossSpace:
        """Inverse of `to_json`; a `YotoError` for text that it does not give."""
        return cls.from_dict(read(text))


def space_from_json(text: str) -> LossSpace:
    """The space that `to_json` wrote: all that a pickle of one holds."""
    return LossSpace.from_json(text)


allow_loading(space_from_json)
