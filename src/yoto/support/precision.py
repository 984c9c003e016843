"""What mixed precision leaves to be done by hand."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """float32 of what is half-precision, since sums of thousands of terms lose digits there; others as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
