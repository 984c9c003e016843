"""Whether a network on several ranks is used where nothing averages its gradients, or where it should be whole."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

import torch
from torch import nn

from yoto.errors import YotoError

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


def is_sharded(model: nn.Module) -> bool:
    """Whether FSDP2 holds some of a network's parameters in shards."""
    return any(hasattr(parameter, "full_tensor") for parameter in model.parameters())


def refuse_sharded(model: nn.Module, action: str) -> None:
    """Refuse a network whose parameters FSDP2 holds in shards.

    Raises:
        YotoError: Saying how to get a whole one.
    """
    if is_sharded(model):
        raise YotoError(
            f"A network to {action} should be whole. Found parameters in shards. Load the full state "
            "(get_model_state_dict of torch.distributed.checkpoint.state_dict, full_state_dict=True) into one that is "
            "not sharded."
        )
