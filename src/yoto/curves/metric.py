"""A number for evaluation beside the loss terms, and which way it is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from yoto.errors import YotoError
from yoto.support.directions import Direction, check_direction


@dataclass(frozen=True)
class Metric:
    """A metric of one's own for `sweep`.

    Args:
        function: Per sample: `function(net, batch)` or `function(net, batch, at)` gives one number per sample, [B], of
            the network bound at λ; the curve holds the mean and its standard error. With `whole`: a function of all
            outputs of the set, `function(outputs, targets) -> float`, for what is no mean over samples (an area under
            a curve, a gap between groups).
        better: "lower" or "higher".
        whole: Whether it is of the whole set.
        outputs: With `whole`, what is collected: `outputs(net, batch)` gives a tensor [B, ...] or a tuple of them;
            `function` gets them joined over all batches, on the CPU. None: for batches (x, y) it is `net(x), y`, for a
            tensor x `net(x), x`.

    Raises:
        YotoError: If `function` cannot be called or `better` is no direction.

    >>> import torch
    >>> def accuracy(outputs, targets):
    ...     return float((outputs.argmax(1) == targets).float().mean())
    >>> metric = Metric(accuracy, better="higher", whole=True)
    >>> metric.function(torch.eye(2), torch.tensor([0, 0]))
    0.5
    """

    function: Callable[..., Any]
    better: Direction
    whole: bool = False
    outputs: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        for name, value in (("function", self.function), ("outputs", self.outputs)):
            if not callable(value) and not (name == "outputs" and value is None):
                raise YotoError(f"`{name}` of a metric should be a function. Found {type(value).__name__}.")
        if self.outputs is not None and not self.whole:
            raise YotoError("`outputs` should be given with whole=True only: a metric per sample has the network.")
        check_direction("a metric", self.better)
