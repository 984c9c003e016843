"""Clipping of the gradient's norm, by a constant or relative to the norms seen so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from yoto.errors import YotoError
from yoto.support.numbers import is_number


class Clipper:
    """Scales gradients down whose norm over all parameters exceeds a limit.

    With `limit="relative"` that is `factor` times a running mean of past norms, so that it follows the scale of the
    loss. A norm enters the mean after it was judged, the first 1/(1 - decay) as they are, later ones at no more than
    the limit: one outlier then moves the mean by at most (1 - decay)·(factor - 1). One that is not finite never enters.
    Everything stays on the gradients' device, so nothing waits for it. It has a memory: keep its `state_dict()` in
    checkpoints.

    >>> clip = Clipper(factor=1.5)
    >>> weight = torch.nn.Parameter(torch.zeros(4))
    >>> for size in (1.0, 1.0, 8.0):
    ...     weight.grad = torch.full((4,), size / 2)
    ...     norm = clip([weight])
    >>> float(norm), float(weight.grad.norm())
    (8.0, 1.5)
    """

    def __init__(
        self, limit: float | Literal["relative"] | None = "relative", *, factor: float = 1.5, decay: float = 0.98
    ) -> None:
        """
        Args:
            limit: "relative", a constant norm, or None to measure only.
            factor: The multiple of the running norm that is let through, above 1.
            decay: Weight of the past in the running norm, in (0, 1); it is the plain mean of all norms until there
                are 1/(1 - decay).

        Raises:
            YotoError: If one is out of its range.
        """
        if not (limit is None or (limit == "relative" if isinstance(limit, str) else is_number(limit) and limit > 0)):
            raise YotoError(f"`limit` should be 'relative', a norm above 0 or None. Found {limit!r}.")
        if not (is_number(factor) and factor > 1 and is_number(decay) and 0 < decay < 1):
            raise YotoError(f"`factor` should be above 1, `decay` in (0, 1). Found {factor!r} and {decay!r}.")
        self.limit = limit
        self.factor = factor
        self.decay = decay
        self.running: Tensor | None = None
        self.count = 0

    @torch.no_grad()
    def __call__(self, parameters: Iterable[Tensor] | Tensor) -> Tensor:
        """Clip the gradients of `parameters` in place, all at once, as `torch.nn.utils.clip_grad_norm_` does.

        Under a `GradScaler` unscale them first. Returns the norm before clipping, a scalar tensor.
        """
        given: Any = [parameters] if isinstance(parameters, Tensor) else parameters
        if not isinstance(given, Iterable) or isinstance(given, str):
            raise YotoError(f"Clipping takes the parameters, model.parameters(). Found {type(given).__name__}.")
        gradients = [parameter.grad for parameter in given if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.limit is None or not gradients:
            return norm
        allowed = self.relative(norm) if self.limit == "relative" else self.limit
        scale = (allowed / norm.clamp_min(1e-30)).clamp_max(1.0)
        torch._foreach_mul_(gradients, scale)
        return norm

    def relative(self, norm: Tensor) -> Tensor:
        """The largest norm that is let through now; `norm` then enters the running mean."""
        if self.running is None:
            self.running = norm.nan_to_num(0.0, 0.0, 0.0)
        self.running = self.running.to(norm.device)  # after a checkpoint it may lie elsewhere
        known = self.running > 0  # else every gradient so far was zero, and this one sets the scale
        allowed = torch.where(known, self.factor * self.running, norm)
        young = self.count < 1 / (1 - self.decay)
        entering = torch.where(norm.isfinite(), norm if young else torch.minimum(norm, allowed), self.running)
        mixed = self.running.lerp(entering, 1 - min(self.decay, self.count / (self.count + 1)))
        self.running = torch.where(known, mixed, entering)
        self.count += 1
        return allowed

    def state_dict(self) -> dict[str, Tensor]:
        """The state to keep in a checkpoint: the running norm and the number of norms seen, or nothing."""
        if self.running is None:
            return {}
        return {"running": self.running, "count": torch.tensor(self.count)}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device | str | None = None) -> None:
        """Take up the state that `state_dict()` gave, on the device of the gradients; None: where it lies."""
        if "running" in state:
            self.running = state["running"].clone() if device is None else state["running"].clone().to(device)
            self.count = int(state["count"])
