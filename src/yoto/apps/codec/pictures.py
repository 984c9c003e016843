"""What a codec does, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from yoto.apps.codec.task import CompressionTask


@torch.no_grad()
def decoded(task: CompressionTask, net: Any, side: int = 256) -> np.ndarray:
    """The middle of the first test photograph as the network decodes it: uint8 [side, side, 3]."""
    image = task.data("test").batch(torch.tensor([0]))
    top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
    device = next(net.parameters()).device
    crop = image[:, :, top : top + side, left : left + side].to(device)
    out = net(crop).image[0].clamp(0, 1).mul(255).round().byte()
    return np.asarray(out.movedim(0, -1).cpu().numpy())
