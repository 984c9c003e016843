"""How glibc treats freed memory: it gives large tensors back to the system after every step, and asks for them again.

Both cost time in the kernel: up to a quarter of a training step on the CPU. Other allocators do not do it, and other
systems have no such settings; nothing happens there. Source: mallopt(3).
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Numbers of glibc's parameters."""
SETTINGS = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26}


def keep_freed() -> bool:
    """Let this process keep the memory that it frees, for its next step. For programs that train and end.

    Nothing is changed where the environment holds settings (`MALLOC_…`, `GLIBC_TUNABLES`) or another allocator
    (`LD_PRELOAD`).

    Returns:
        Whether glibc took the settings.
    """
    if sys.platform != "linux" or any(
        name.startswith("MALLOC_") or name in ("GLIBC_TUNABLES", "LD_PRELOAD") for name in os.environ
    ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    taken = [mallopt(parameter, value) == 1 for parameter, value in SETTINGS.items()]
    return all(taken)
