"""What a user gives for the parameters of a loss space, as the numbers of its columns. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from yoto.errors import YotoError, near_misses
from yoto.space.choice import Choice
from yoto.space.distribution import Distribution, Value
from yoto.space.interval import Fixed
from yoto.space.simplex import Simplex
from yoto.support.numbers import number


def checked(parameters: Mapping[str, Distribution], given: dict[str, Value], extrapolate: bool) -> list[float]:
    """One number per column; arguments and errors as of `LossSpace.check`. `given` is used up."""
    for name, distribution in parameters.items():
        if isinstance(distribution, Simplex) and not isinstance(given.get(name), Mapping):
            own = {t: given.pop(t) for t in distribution.terms if t in given}
            if own:
                given[name] = {t: number(t, v) for t, v in own.items()}
        elif isinstance(distribution, Choice) and name not in given:
            parts = {c.removeprefix(f"{name}:"): given.pop(c) for c in distribution.columns(name) if c in given}
            if parts:
                given[name] = {o: number(o, v) for o, v in parts.items()}
    for name in given:
        if name not in parameters:
            raise YotoError(
                f"{name!r} is no loss parameter of this space, which has {', '.join(parameters)}."
                f"{near_misses(name, tuple(parameters))}"
            )
    result: list[float] = []
    for name, distribution in parameters.items():
        if name in given:
            result += distribution.check(name, given[name], extrapolate)
        elif isinstance(distribution, Fixed):
            result.append(distribution.value)
        else:
            raise YotoError(f"`{name}` is free in this loss space and should be given. Found {given or 'nothing'}.")
    return result


def by_name(values: Any, more: Mapping[str, Value], free: Sequence[str]) -> dict[str, Value]:
    """What was given by a mapping and by keyword together; refuses anything else than a mapping."""
    if values is not None and not isinstance(values, Mapping):
        example = ", ".join(f"{name}=…" for name in free)
        raise YotoError(f"A point should be given by name, such as point({example}). Found {values!r}.")
    return {**(values or {}), **more}


def check_lam(lam: Any, names: Sequence[str], *, any_rank: bool = False) -> None:
    """Refuse λ that is no tensor of the columns `names`, [B, D] or [D] (with `any_rank` [..., D])."""
    from torch import Tensor

    tensor = isinstance(lam, Tensor)
    if not tensor or not (lam.ndim >= 1 if any_rank else lam.ndim in (1, 2)) or lam.shape[-1] != len(names):
        found = f"shape {tuple(lam.shape)}" if tensor else type(lam).__name__
        shape = f"[..., {len(names)}]" if any_rank else f"[B, {len(names)}] or [{len(names)}]"
        raise YotoError(
            f"λ should be a tensor {shape}, columns {', '.join(names)}, as space.sample(B) and space.point(…) give. "
            f"Found {found}."
        )


def columns(lam: Any, names: Sequence[str]) -> list[float]:
    """λ [D] as one number for each of the columns `names`; refuses anything else."""
    try:
        values = [float(value) for value in lam]
    except (TypeError, ValueError, RuntimeError):  # of rows, of text, of one number
        values = []
    if len(values) != len(names):
        found = len(values) or (f"shape {tuple(lam.shape)}" if hasattr(lam, "shape") else repr(lam))
        raise YotoError(f"`lam` should hold {len(names)} numbers ({', '.join(names)}). Found {found}.")
    return values


def named(data: Any) -> Mapping[str, Any]:
    """What a file says of a loss space: entries by name; refuses anything else."""
    if not isinstance(data, Mapping):
        raise YotoError(f"A loss space should be a mapping of names to distributions. Found {type(data).__name__}.")
    odd = [name for name in data if not isinstance(name, str) or name == "self"]
    if odd:
        raise YotoError(f"A loss parameter should have a name (text, other than 'self'). Found {odd[0]!r}.")
    return data


def read(text: Any) -> Any:
    """The value that JSON text holds; refuses anything else."""
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise YotoError(f"A loss space should be JSON. Found: {error}.") from None
