"""Seeds and random streams that depend on what they are for alone, so that a resumed run draws what it would have."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
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


def seed_all(seed: int, device: torch.device | None = None) -> None:
    """Seed the global random numbers of torch, Python and numpy, any of which a network or its terms may draw from.

    Args:
        device: The only one beside the CPU that is used; None: any.
    """
    import numpy as np
    import torch

    if device is not None and device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # a tenth of the time of torch.manual_seed
    else:
        torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the old generator is the one that others draw from


@contextmanager
def streams_kept(device: torch.device | None = None) -> Iterator[None]:
    """A block that may seed the global random numbers; their states come back at its end.

    Args:
        device: Whose generator is kept beside the CPU's; None: all of them.
    """
    import numpy as np
    import torch

    own = None if device is None else [device] if device.type == "cuda" else []
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=own):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
