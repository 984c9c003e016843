"""What figures are drawn from: columns of numbers with their names, and how names and points are spelt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yoto.drawing.theme import logarithmic

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True)
class Column:
    """Numbers of one kind, one per point.

    Attributes:
        label: What they are, with their unit.
        values: The numbers.
        errors: Their standard errors, or none.
    """

    label: str
    values: Sequence[float]
    errors: Sequence[float] = ()


@dataclass(frozen=True)
class Places:
    """Where the points stand on an axis: at their value of a parameter, else at their number.

    Attributes:
        label: Name of the axis.
        values: The places.
        joined: Whether a parameter orders them, so that a line may join them.
    """

    label: str
    values: Sequence[float]
    joined: bool

    @property
    def log(self) -> bool:
        """Whether the axis is better logarithmic."""
        return self.joined and logarithmic(self.values)


def with_unit(name: str, units: Mapping[str, str]) -> str:
    """A label such as "reconstruction (nats per image)"."""
    unit = units.get(name, "")
    return f"{name} ({unit})" if unit else name


def parameter_label(parameter: str, symbols: Mapping[str, str], weights: Collection[str]) -> str:
    """A label such as "β, the weight of kl"; `weights` are the parameters that weigh a term."""
    symbol = symbols.get(parameter)
    meaning = f"weight of {parameter}" if parameter in weights else parameter
    return f"{symbol}, the {meaning}" if symbol and meaning != parameter else str(symbol or meaning)


def point_label(point: Mapping[str, float], symbols: Mapping[str, str] | None = None) -> str:
    """A point for people, such as "β = 0.5", "content = 1, style = 20" or, of named alternatives, "waves"."""
    parts = []
    for name, value in point.items():
        option = name.partition(":")[2]
        if not option:
            parts.append(f"{(symbols or {}).get(name, name)} = {value:.4g}")
        elif value:
            parts.append(option if value == 1 else f"{option} = {value:.4g}")
    return ", ".join(parts)
