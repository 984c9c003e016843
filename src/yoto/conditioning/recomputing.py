"""Layers that run anew in the backward pass, where the conditioning network's gradients may be lost."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from types import FrameType

import torch
from torch import Tensor
from torch.autograd import function
from torch.utils import checkpoint

from yoto.errors import YotoError

TOLD: set[str] = set()
"""Functions that were warned of, by name."""


def watch(scale: Tensor, layer: str) -> None:
    """Look whether a layer runs where the gradient of its FiLM values is lost.

    Args:
        scale: The layer's scale.
        layer: Its name.

    Raises:
        YotoError: Under reentrant checkpointing.
    """
    if not scale.requires_grad or torch.compiler.is_compiling():
        return
    if not torch.is_grad_enabled():
        refuse_reentrant_checkpoint(layer)
    elif torch._C._current_graph_task_id() != -1:
        warn_of_function(layer)


def frames() -> Iterator[FrameType]:
    """The stack, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def refuse_reentrant_checkpoint(layer: str) -> None:
    """Refuse reentrant checkpointing if it is found on the stack."""
    for frame in frames():
        if frame.f_code.co_filename == checkpoint.__file__ and frame.f_code.co_name in ("forward", "backward"):
            raise YotoError(
                f"Layer {layer!r} should not run under reentrant checkpointing, which loses gradients of the FiLM "
                "values. Give use_reentrant=False to torch.utils.checkpoint.checkpoint."
            )


def warn_of_function(layer: str) -> None:
    """Say once of each function of somebody's own (`torch.autograd.Function`) that its backward pass runs layers.

    It gives gradients to the tensors that it was given, the layers' parameters among them as a rule; the FiLM values of
    a bound layer are no parameters. Checkpointing without reentry recomputes under the graph that there is.
    """
    for frame in frames():
        if frame.f_code.co_filename == checkpoint.__file__:
            return
        if frame.f_code.co_filename == function.__file__ and frame.f_code.co_name == "apply":
            kind = getattr(type(frame.f_locals.get("self")), "_forward_cls", None)
            name = getattr(kind, "__name__", "a function")
            if name not in TOLD:
                TOLD.add(name)
                warnings.warn(
                    f"Layer {layer!r} runs anew in the backward pass of {name}, a torch.autograd.Function: gradients "
                    "that it takes by the parameters it was given leave out those of λ, and what the layer makes of λ "
                    "is not learned through it. Use torch.utils.checkpoint(…, use_reentrant=False) or plain "
                    "differentiation (odeint in place of odeint_adjoint), or leave such layers out with exclude=.",
                    stacklevel=2,
                )
            return
