"""How many cores this process may use, and what a forked one may."""

from __future__ import annotations

import os
import sys
from functools import lru_cache


def available() -> int:
    """Cores that the system lets this process run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def survive_forks() -> None:
    """From now on, let forked children compute on one thread.

    A child has none of its parent's threads; OpenMP (GNU's) waits for them for ever. torch's DataLoader gives its
    workers one thread for the same reason.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=alone)


def alone() -> None:
    """Let torch, where it is loaded, compute on the thread that calls."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
