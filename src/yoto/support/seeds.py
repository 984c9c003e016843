"""Seeds and random streams that depend on what they are for alone, so that a resumed run draws what it would have."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, *keys: int | str) -> int:
    """A 63-bit seed for the stream that `keys` name, for example `derive(0, "noise", step, rank)`.

    Streams with different keys are independent for every practical purpose (BLAKE2 of seed and keys).
    """
    return hashed(seed, keys, 8) >> 1


def noise_seed(seed: int, number: int) -> int:
    """A 56-bit seed for the random numbers of one batch of an evaluation; neighbouring seeds and batches share none."""
    return hashed(seed, (number,), 7)


def hashed(seed: int, keys: tuple[int | str, ...], size: int) -> int:
    """BLAKE2 of seed and keys as a number of `size` bytes."""
    text = "/".join([str(seed), *(str(key) for key in keys)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big")


def generator(seed: int, *keys: int | str) -> torch.Generator:
    """A CPU generator at the start of the stream that `keys` name."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *keys))
