"""Places in a loss space as numbers in [0, 1], which optimisers understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, TypeAlias, final

import torch
from torch import Tensor

from yoto.curves.selection.evaluations import Lam
from yoto.errors import YotoError, near_misses
from yoto.space import Choice

if TYPE_CHECKING:
    from yoto.space import LossSpace, Value

Names: TypeAlias = tuple[tuple[str, str], ...]
"""An option for each `Choice` that is not held."""
Place: TypeAlias = tuple[tuple[float, ...], Names]
"""Coordinates in [0, 1] of what is searched, and options."""


def rounded(lam: Tensor) -> Lam:
    """λ [D] as numbers, with the digits that float32 carries."""
    return tuple(float(f"{value:.7g}") for value in lam.tolist())


@final
class Coordinates:
    """The free parameters of a space, but for those that are held, as x in [0, 1]^d and names of options.

    Args:
        space: The loss space.
        at: Free parameters that are held at a value.

    Raises:
        YotoError: If `at` names no free parameter or leaves its range, or nothing is left to choose.
    """

    def __init__(self, space: LossSpace, at: Mapping[str, Value] | None = None) -> None:
        if at is not None and not isinstance(at, Mapping):
            raise YotoError(f"`at` should be values by name, such as {{{space.free[0]!r}: …}}. Found {at!r}.")
        held = dict(at or {})
        for name in held:
            if name not in space.free:
                raise YotoError(
                    f"`at` should name free parameters, {', '.join(space.free) or 'of which there are none'}. "
                    f"Found {name!r}.{near_misses(name, space.free)}"
                )
        self.space = space
        self.base = space.median(**held).double()
        self.searched = [name for name in space.free if name not in held]
        if not self.searched:
            found = "none" if not space.free else f"all held: {', '.join(held)}"
            raise YotoError(f"A selection needs a free parameter of the loss space to choose. Found {found}.")
        self.slices: dict[str, slice] = {}
        self.size = 0
        for name in self.searched:
            count = space.parameters[name].coordinates
            self.slices[name] = slice(self.size, self.size + count)
            self.size += count

    @property
    def alternatives(self) -> list[Names]:
        """Every combination of options; one empty one where there is no `Choice`."""
        choices = [(name, self.space.parameters[name]) for name in self.searched]
        options = [[(name, o) for o in d.options] for name, d in choices if isinstance(d, Choice)]
        return [tuple(each) for each in product(*options)]

    def tensor(self, x: Tensor, names: Names = ()) -> Tensor:
        """λ [D] at x [d], differentiably, in float64."""
        columns = list(self.base.unbind())
        for name in self.searched:
            distribution, place = self.space.parameters[name], self.space.slices[name]
            if self.slices[name].start < self.slices[name].stop:
                columns[place] = distribution.from_unit(x[self.slices[name]]).unbind()
        for name, option in names:
            distribution = self.space.parameters[name]
            columns[self.space.slices[name]] = torch.tensor(distribution.check(name, option, False)).unbind()
        return torch.stack([column.to(x.dtype) for column in columns])

    def lam(self, x: Sequence[float], names: Names = ()) -> Lam:
        """λ at x, as it is measured."""
        return rounded(self.tensor(torch.as_tensor(x, dtype=torch.float64), names))

    def place(self, lam: Sequence[float]) -> Place | None:
        """The coordinates and options of λ; None where it blends options or differs in what is held."""
        values = torch.tensor(lam, dtype=torch.float64)
        x = torch.zeros(self.size, dtype=torch.float64)
        names = []
        for name in self.searched:
            distribution, columns = self.space.parameters[name], values[self.space.slices[name]]
            if isinstance(distribution, Choice):
                if columns.max() < 1 - 1e-6:
                    return None
                names.append((name, distribution.options[int(columns.argmax())]))
            else:
                x[self.slices[name]] = distribution.to_unit(columns)
        back = self.tensor(x, tuple(names))
        if not torch.allclose(back, values, rtol=1e-4, atol=1e-6):
            return None
        return tuple(x.tolist()), tuple(names)

    def draw(self, n: int, seed: int) -> list[Place]:
        """Places of n draws of the space's distribution (a Sobol set), going round the alternatives."""
        generator = torch.Generator().manual_seed(seed)
        lams = self.space.sample(n, generator=generator, method="sobol").double()
        x = torch.zeros(n, self.size, dtype=torch.float64)
        for name in self.searched:
            x[:, self.slices[name]] = self.space.parameters[name].to_unit(lams[:, self.space.slices[name]])
        alternatives = self.alternatives
        return [(tuple(row), alternatives[i % len(alternatives)]) for i, row in enumerate(x.tolist())]
