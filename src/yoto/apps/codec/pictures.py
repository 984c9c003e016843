"""What a codec does, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from yoto.data.pixels import to_bytes

if TYPE_CHECKING:
    from yoto.data.pixels import Pixels


@torch.no_grad()
def decoded(net: Any, image: Tensor, side: int = 256) -> Pixels:
    """The middle of a photograph [1, 3, H, W] in [0, 1] as the network decodes it: uint8 [side, side, 3]."""
    top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
    crop = image[:, :, top : top + side, left : left + side].to(next(net.parameters()).device)
    picture: Pixels = to_bytes(net(crop).image)[0]
    return picture
