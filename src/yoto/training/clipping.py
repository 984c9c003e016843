"""Clipping of the gradient's norm, by a constant or relative to the norms seen so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from yoto.recipe import Training


class Clipper:
    """Scales gradients down whose norm over all parameters exceeds a limit.

    With `clip: relative` the limit is `clip_factor` times a running mean of past norms, so that it follows the scale
    of the loss. A norm enters the mean after it was judged, the first 1/(1 - decay) as they are, later ones at no more
    than the limit: one outlier then moves the mean by at most (1 - decay)·(clip_factor - 1).
    Everything stays on the gradients' device, so nothing waits for it.
    """

    def __init__(self, settings: Training, *, decay: float = 0.98) -> None:
        """
        Args:
            settings: `clip` is "relative", a constant norm, or None to measure only; `clip_factor` the multiple of
                the running norm that is let through.
            decay: Weight of the past in the running norm, in (0, 1); it is the plain mean of all norms until there
                are 1/(1 - decay).
        """
        self.limit = settings.clip
        self.factor = settings.clip_factor
        self.decay = decay
        self.running: Tensor | None = None
        self.count = 0

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor]) -> Tensor:
        """Clip in place; returns the norm before clipping, a scalar tensor."""
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.limit is None:
            return norm
        if self.limit != "relative":
            allowed: Tensor | float = self.limit
        else:
            if self.running is None:
                self.running = norm.clone()
            known = self.running > 0  # else every gradient so far was zero, and this one sets the scale
            allowed = torch.where(known, self.factor * self.running, norm)
            young = self.count < 1 / (1 - self.decay)
            entering = norm if young else torch.minimum(norm, allowed)
            self.running.lerp_(entering, 1 - min(self.decay, self.count / (self.count + 1)))
            self.running = torch.where(known, self.running, norm)
            self.count += 1
        scale = (allowed / norm.clamp_min(1e-30)).clamp_max(1.0)
        torch._foreach_mul_(list(gradients), scale)
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """The state to keep in a checkpoint: the running norm and the number of norms seen, or nothing."""
        if self.running is None:
            return {}
        return {"running": self.running, "count": torch.tensor(self.count)}

    def load_tensors(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Take up the state that `tensors()` gave."""
        if "running" in tensors:
            self.running = tensors["running"].clone().to(device)
            self.count = int(tensors["count"])
