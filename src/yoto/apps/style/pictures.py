"""What a style network does, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from yoto.apps.style.task import StyleTask


@torch.no_grad()
def stylised(task: StyleTask, net: Any, side: int = 384) -> np.ndarray:
    """The middle of the first test photograph as the network paints it: uint8 [H, W, 3], sides at most `side`."""
    image = task.data("test").batch(torch.tensor([0]))
    top, left = (max(0, length - side) // 2 for length in image.shape[-2:])
    crop = image[:, :, top : top + side, left : left + side].to(next(net.parameters()).device)
    return np.asarray(net(crop)[0].clamp(0, 1).mul(255).round().byte().movedim(0, -1).cpu().numpy())
