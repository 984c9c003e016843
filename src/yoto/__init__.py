"""Loss-conditional training: one network for a whole family of losses.

The public names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from yoto.support.renamed import OldNames

__version__ = "0.1.0"

if TYPE_CHECKING:
    from yoto.bundle import load as load
    from yoto.bundle import save as save
    from yoto.conditioning import Conditional as Conditional
    from yoto.conditioning import condition as condition
    from yoto.curves import Metric as Metric
    from yoto.curves import TradeoffCurve as TradeoffCurve
    from yoto.curves import select as select
    from yoto.curves.steerability import steerability as steerability
    from yoto.curves.sweep import sweep as sweep
    from yoto.errors import YotoError as YotoError
    from yoto.notebook import widget as widget
    from yoto.objective import LossStep as LossStep
    from yoto.objective import Objective as Objective
    from yoto.optim import optimiser as optimiser
    from yoto.space import Choice as Choice
    from yoto.space import Fixed as Fixed
    from yoto.space import LogUniform as LogUniform
    from yoto.space import LossSpace as LossSpace
    from yoto.space import Simplex as Simplex
    from yoto.space import Uniform as Uniform
    from yoto.task import Task as Task
    from yoto.training import train as train

HOMES: dict[str, str] = {
    "LossSpace": "yoto.space",
    "LogUniform": "yoto.space",
    "Uniform": "yoto.space",
    "Fixed": "yoto.space",
    "Simplex": "yoto.space",
    "Choice": "yoto.space",
    "condition": "yoto.conditioning",
    "Conditional": "yoto.conditioning",
    "Objective": "yoto.objective",
    "LossStep": "yoto.objective",
    "optimiser": "yoto.optim",
    "sweep": "yoto.curves",
    "select": "yoto.curves",
    "steerability": "yoto.curves",
    "Metric": "yoto.curves",
    "TradeoffCurve": "yoto.curves",
    "save": "yoto.bundle",
    "load": "yoto.bundle",
    "Task": "yoto.task",
    "train": "yoto.training",
    "widget": "yoto.notebook",
    "YotoError": "yoto.errors",
}
__all__ = ["__version__", *HOMES]  # noqa: PLE0604


if "torch" in sys.modules:
    import_module("yoto.space")  # torch then loads a LossSpace from a checkpoint with weights_only=True
sys.meta_path.append(OldNames())  # for pickles made before the modules had their present names


def __getattr__(name: str) -> Any:
    if name in HOMES:
        value = getattr(import_module(HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
