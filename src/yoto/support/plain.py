"""Values of this library that torch loads from a checkpoint with `weights_only=True`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

ALLOWED: set[str] = set()


def allow_loading(function: Callable[..., Any]) -> None:
    """Tell torch, if it is imported by now, that what a pickle rebuilds by `function` is a plain value."""
    serialization = sys.modules.get("torch.serialization")
    if serialization is not None and function.__qualname__ not in ALLOWED:
        ALLOWED.add(function.__qualname__)
        serialization.add_safe_globals([function])
