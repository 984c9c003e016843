"""What a style network does, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from yoto.data.pixels import to_bytes

if TYPE_CHECKING:
    from yoto.data.pixels import Pixels


@torch.no_grad()
def stylised(net: Any, image: Tensor, side: int = 384) -> Pixels:
    """The middle of a photograph [1, 3, H, W] in [0, 1], painted: uint8 [h, w, 3], sides at most `side`."""
    top, left = (max(0, length - side) // 2 for length in image.shape[-2:])
    crop = image[:, :, top : top + side, left : left + side].to(next(net.parameters()).device)
    picture: Pixels = to_bytes(net(crop))[0]
    return picture
