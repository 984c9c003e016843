"""λ by name or as numbers under `torch.compile`: one graph for all of them, not one for each."""

from __future__ import annotations

from contextlib import suppress
from types import CodeType
from typing import Any

import torch
from torch import Tensor


def lam_as_tensor(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Before a conditional network's `forward`: λ as a tensor where it is given as numbers or by name.

    `torch.compile(model)` calls this outside the graph, whose input λ then is. Inside somebody else's graph (a compiled
    function that calls the model, `torch.export`) nothing is done.

    Args:
        model: A `Conditional`.
        args, kwargs: Arguments of `forward`.
    """
    at = kwargs.get("at")
    if isinstance(at, Tensor) or torch.compiler.is_compiling():
        return None
    values = {name: kwargs[name] for name in model.keywords if name in kwargs} if at is None else {}
    if at is None and not values:
        return None  # `forward` says what is missing
    rest = {name: value for name, value in kwargs.items() if name not in values}
    return args, {**rest, "at": model.lam(at, extrapolate=kwargs.get("extrapolate", False), **values)}


def leave_uncompiled(code: CodeType) -> None:
    """Let `torch.compile` run a function that it calls first as it is; where it is traced, it is as any other.

    The public `torch.compiler.disable` would break graphs there, and imports the compiler for those who need none.
    Where torch has no such thing any more, a graph is compiled for each number.
    """
    with suppress(AttributeError):
        frames = torch._C._dynamo.eval_frame
        frames.set_code_exec_strategy(
            code, frames._FrameExecStrategy(frames._FrameAction.SKIP, frames._FrameAction.SKIP)
        )


leave_uncompiled(lam_as_tensor.__code__)
