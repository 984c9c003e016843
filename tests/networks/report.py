"""A case for the harness, and what came out of its stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from networks.layers import Coverage
from networks.outputs import Inputs

STAGES = (
    "condition",
    "per sample",
    "other batch",
    "training",
    "float32",
    "calls",
    "as plain",
    "gradients",
    "bake",
    "save",
)
"""What "everything" means, in order; export is counted by itself."""
EXPORTS = ("plain export", "export")


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, made anew by `make()`, and example inputs.

    Attributes:
        extra: Further keyword arguments of the calls that are compared, such as `output_hidden_states=True`.
        settings: Arguments for `condition`, for what a user has to say.
    """

    make: Callable[[], nn.Module]
    inputs: Inputs
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Result:
    """One stage: "ok", "refused" (a `YotoError`), "wrong", "failed" (another error) or "unchecked", with a figure."""

    status: str
    value: float | None = None
    note: str = ""


@dataclasses.dataclass
class Report:
    """All stages of one network."""

    stages: dict[str, Result] = dataclasses.field(default_factory=dict)
    coverage: Coverage | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)
    names: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """ "everything", or the worst that happened: wrong, failed, refused, unchecked."""
        found = [self.stages[s].status if s in self.stages else "unchecked" for s in STAGES]
        return next((s for s in ("wrong", "failed", "refused", "unchecked") if s in found), "everything")

    @property
    def reason(self) -> str:
        """The first stage that is not right with what it says, worst first, and the names of the others."""
        order = ("wrong", "failed", "refused", "unchecked")
        bad = [(n, r) for n, r in self.stages.items() if r.status != "ok" and n in STAGES]
        bad.sort(key=lambda item: order.index(item[1].status))
        others = ", ".join(f"{n} {r.status}" for n, r in bad[1:])
        return "" if not bad else f"{bad[0][0]}: {bad[0][1].note}" + (f" ({others})" if others else "")


class StageError(Exception):
    """A stage ends with this result."""

    def __init__(self, status: str, note: str, value: float | None = None) -> None:
        super().__init__(note)
        self.result = Result(status, value, note)


def line(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
