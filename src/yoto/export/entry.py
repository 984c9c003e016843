"""What is exported: one method of a network as a module of positional tensors, and which of their axes are open."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from yoto.conditioning import Conditional
from yoto.errors import YotoError, near_misses
from yoto.support.outputs import named_tensors

LAMBDA = "lambda"
"""Name of the input that holds λ."""
BATCH = "batch"
"""Name of the axis that holds the samples."""


class Entry(nn.Module):
    """A method of a network as a module of positional tensors, λ last where the network is conditional.

    Args:
        model: A `Conditional`, or a plain network.
        method: Which method of the network.
        inputs: Its arguments by name: tensors, which become inputs, and settings (numbers, text, None), which stay.
        dynamic: Axes that are open, with their names, by input. "batch" is dimension 0 where this does not name it.
        per_batch: Whether λ is one row for the whole batch, [D], in place of [B, D].

    Attributes:
        examples: An example of every input, λ included, in the order of the module's arguments.
        axes: The open axes of every input, by number.

    Raises:
        YotoError: If the method does not exist, or the inputs do not fit its arguments.
    """

    def __init__(
        self,
        model: nn.Module,
        method: str,
        inputs: Mapping[str, Any],
        dynamic: Mapping[str, Mapping[int, str]],
        per_batch: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.method = method
        plain = model.plain if isinstance(model, Conditional) else model
        if not callable(getattr(plain, method, None)):
            raise YotoError(f"`method` should be a method of the network. Found {method!r}.")
        self.by_keyword = by_keyword(getattr(plain, method), method, list(inputs))
        self.settings = {name: value for name, value in inputs.items() if not isinstance(value, Tensor)}
        for name, value in self.settings.items():
            if any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(value)):
                raise YotoError(
                    f"`inputs` should hold a tensor for each argument. Found a {type(value).__name__} of tensors for "
                    f"{name!r}. Give the network a method that takes them one by one, and export that."
                )
        self.names = list(inputs)
        self.examples = {name: value.detach() for name, value in inputs.items() if isinstance(value, Tensor)}
        self.axes = open_axes(self.examples, dynamic)
        if isinstance(model, Conditional):
            rows = model.space.sample(self.samples, torch.Generator().manual_seed(0))
            self.examples[LAMBDA] = rows[0] if per_batch else rows
            self.axes[LAMBDA] = {} if per_batch else {0: BATCH}

    @property
    def samples(self) -> int:
        """The examples' batch size."""
        sizes = [
            self.examples[n].shape[a] for n, axes in self.axes.items() for a, label in axes.items() if label == BATCH
        ]
        return sizes[0]

    def outputs(self, *inputs: Tensor) -> dict[str, Tensor]:
        """The method's tensors by name, in order."""
        tensors = list(inputs)
        bound: Any = self.model.at(tensors.pop()) if isinstance(self.model, Conditional) else self.model
        function = bound if self.method == "forward" else getattr(bound, self.method)
        rest = iter(tensors)
        given = {name: self.settings[name] if name in self.settings else next(rest) for name in self.names}
        return named_tensors(function(**given) if self.by_keyword else function(*given.values()))

    def forward(self, *inputs: Tensor) -> Any:
        """The method's tensors, in order."""
        tensors = tuple(self.outputs(*inputs).values())
        return tensors[0] if len(tensors) == 1 else tensors

    def inputs(self) -> list[Tensor]:
        """Copies of the examples, which a method may change in place."""
        return [tensor.clone() for tensor in self.examples.values()]

    def enlarged(self) -> list[Tensor]:
        """The examples with one sample more."""
        result = []
        for name, tensor in self.examples.items():
            axis = next((axis for axis, label in self.axes[name].items() if label == BATCH), None)
            more = [] if axis is None else [tensor.narrow(axis, 0, 1)]
            result.append(torch.cat([tensor, *more], axis or 0) if more else tensor)
        return result


def by_keyword(function: Callable[..., Any], method: str, names: list[str]) -> bool:
    """Whether the inputs are named as the method's arguments; else they are given in order, and names are labels.

    Raises:
        YotoError: If some are named as arguments and others are not, or nearly as an argument in another place.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a method that is not written in Python
        return False
    kinds = inspect.Parameter
    known = [n for n, p in parameters.items() if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
    if set(names) <= set(known):
        return True
    needed = [n for n in known if parameters[n].default is kinds.empty]
    if any(p.kind is kinds.VAR_KEYWORD for p in parameters.values()) and set(needed) <= set(names):
        return True
    unknown = [name for name in names if name not in known]
    nearly = {name: get_close_matches(name, known, n=1, cutoff=0.7) for name in unknown}
    elsewhere = any(close and known.index(close[0]) != names.index(name) for name, close in nearly.items())
    if len(unknown) < len(names) or elsewhere:
        raise YotoError(
            f"`inputs` should name the arguments of {method!r} ({', '.join(known)}). Found {', '.join(names)}."
            f"{near_misses(unknown[0], [name for name in known if name not in names])}"
        )
    return False


def open_axes(examples: Mapping[str, Tensor], dynamic: Mapping[str, Mapping[int, str]]) -> dict[str, dict[int, str]]:
    """The open axes of every input: those of `dynamic`, and dimension 0 where it has the batch's size.

    Raises:
        YotoError: If `dynamic` names no input, or there are fewer than two samples.
    """
    for name in dynamic:
        if name not in examples:
            raise YotoError(f"`dynamic` should name inputs ({', '.join(examples)}). Found {name!r}.")
    named = {name: dict(dynamic.get(name, {})) for name in examples}
    sizes = [examples[n].shape[a] for n, axes in named.items() for a, label in axes.items() if label == BATCH]
    sizes += [tensor.shape[0] for name, tensor in examples.items() if tensor.ndim and BATCH not in named[name].values()]
    if not sizes or sizes[0] < 2:
        raise YotoError(
            f"`inputs` should be an example of at least two samples. Found {sizes[0] if sizes else 'none'}."
        )
    for name, tensor in examples.items():
        if tensor.ndim and BATCH not in named[name].values() and tensor.shape[0] == sizes[0]:
            named[name] = {0: BATCH, **named[name]}
    return named
