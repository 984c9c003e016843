"""A step's forward and backward pass as one CUDA graph."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from yoto.errors import YotoError

WARMUP = 3
"""Passes before the one that is recorded: libraries choose their algorithms in them, and first calls are looked at."""


class GraphedPass:
    """Gradients and terms of a batch, by replaying what the first batch recorded.

    A small network's kernels take less time than their launches, a thousand in a step of the second codec; replayed
    they cost one launch. What is recorded has no decision in it that looks at a value, and inputs of one shape.
    Gradients are written anew at every call, so nobody clears them. Random numbers are those of the generator's state
    at the call. What would silently be repeated from the first batch on is refused where it can be told: tensors and
    random numbers of the CPU, and buffers that a pass replaces by others.

    Args:
        step: A `LossStep`, wrapped or not, on a CUDA device.
        backward: From the loss to the gradients.
    """

    def __init__(self, step: nn.Module, backward: Callable[[Tensor], Any]) -> None:
        self.step, self.backward = step, backward
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        self.layout: TreeSpec | None = None
        self.terms: dict[str, Tensor] = {}

    def __call__(self, batch: Any, lam: Tensor) -> dict[str, Tensor]:
        """The terms [B], detached; gradients are in the parameters' `grad` afterwards.

        Raises:
            YotoError: If the batch holds something else than tensors on λ's device, or others than the first did; or if
                the pass cannot be recorded.
        """
        leaves, layout = tree_flatten((batch, lam))
        if not all(isinstance(leaf, Tensor) and leaf.device == lam.device for leaf in leaves):
            raise refused("batches that hold tensors alone, all of them on the GPU")
        if self.graph is None:
            self.record(leaves, layout)
        shapes = [leaf.shape for leaf in leaves]
        if layout != self.layout or shapes != [own.shape for own in self.inputs]:
            raise refused("batches of one shape")
        for own, leaf in zip(self.inputs, leaves, strict=True):
            own.copy_(leaf)
        assert self.graph is not None
        self.graph.replay()
        return {name: value.clone() for name, value in self.terms.items()}

    def record(self, leaves: list[Tensor], layout: TreeSpec) -> None:
        """Record a pass; parameters, buffers and random numbers are then as before."""
        device = leaves[-1].device
        self.inputs, self.layout = [leaf.clone() for leaf in leaves], layout
        stream = torch.cuda.get_rng_state(device)
        named = dict(self.step.named_buffers())
        buffers = [(buffer, buffer.clone()) for buffer in named.values()]
        aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(WARMUP):
                self.whole()
                self.clear()
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with repeatable(lambda: dict(self.step.named_buffers()), named), torch.cuda.graph(graph):
            self.terms = self.whole()
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        torch.cuda.set_rng_state(stream, device)
        self.graph = graph

    def whole(self) -> dict[str, Tensor]:
        """Both passes over the inputs as they stand."""
        assert self.layout is not None
        loss, terms = self.step(*tree_unflatten(self.inputs, self.layout))
        self.backward(loss)
        return dict(terms)

    def clear(self) -> None:
        """Let the recorded pass make the gradients' memory its own."""
        for parameter in self.step.parameters():
            parameter.grad = None


def refused(needed: str) -> YotoError:
    """The error for a task whose steps cannot be replayed."""
    return YotoError(f"`training.cuda_graph` needs {needed}. Turn it off for this task.")


@contextmanager
def repeatable(buffers: Callable[[], dict[str, Tensor]], before: dict[str, Tensor]) -> Iterator[None]:
    """A block that records a pass, after others of the same; refuses what a replay would not do anew.

    Args:
        buffers: Gives the buffers by name as they are now.
        before: As they were before the first pass.

    Raises:
        YotoError: If the pass draws random numbers of the CPU, replaces a buffer, or cannot be recorded.
    """
    states = cpu_states()
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        found = " ".join(str(error).split()).partition(". ")[0]
        raise refused(
            "terms that look at no value (`if`, `.item()`) and copy nothing from or to the CPU. Found: " + found
        ) from error
    if cpu_states() != states:
        raise refused("terms that draw no random numbers of the CPU, of which every step would get the same")
    now = buffers()
    for name, buffer in before.items():
        if now.get(name) is not buffer:
            raise refused(f"buffers that are written in place (`copy_`). Found another in the place of {name!r}")


def cpu_states() -> tuple[Any, ...]:
    """The states of the global random numbers of the CPU, comparable."""
    import numpy as np

    state = np.random.get_state(legacy=False)  # noqa: NPY002
    numbers, place = state["state"]["key"].tobytes(), state["state"]["pos"]
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), numbers, place, state["gauss"]
