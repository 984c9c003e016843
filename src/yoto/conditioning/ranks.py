"""Whether a network on several ranks is used where nothing averages its gradients."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

import torch
from torch import nn

WRAPPERS = {"DistributedDataParallel", "FSDPModule", "FullyShardedDataParallel", "DeepSpeedEngine"}
"""Classes whose forward pass sees to the gradients of all ranks."""
ADVICE = (
    "model.at(λ) is used with gradients on several ranks outside the forward pass of a wrapper such as "
    "DistributedDataParallel: each rank keeps gradients of its own, and the ranks' networks drift apart. Wrap "
    "yoto.LossStep(model, terms, objective) and call that."
)
TOLD: list[bool] = []


def several_ranks() -> bool:
    """Whether this process is one of several ranks."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def warn_unwrapped(model: nn.Module) -> None:
    """Say once that nothing will average the gradients of a network that is bound now, where that is so."""
    if TOLD or not torch.is_grad_enabled() or not several_ranks() or in_wrapper():
        return
    if any(parameter.requires_grad for parameter in model.parameters()):
        TOLD.append(True)
        warnings.warn(ADVICE, stacklevel=4)


def in_wrapper() -> bool:
    """Whether this runs inside the forward pass of one of `WRAPPERS`, by the stack: FSDP2 has no other sign."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_call_impl":
            module = frame.f_locals.get("self")
            if any(cls.__name__ in WRAPPERS for cls in type(module).__mro__):
                return True
        frame = frame.f_back
    return False
