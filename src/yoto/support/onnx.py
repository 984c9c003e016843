"""onnxruntime, as long as it is here."""

from __future__ import annotations

import os
from typing import Any


def onnxruntime() -> Any:
    """The module, told not to report its use over the network, which its builds do from version 1.32 on.

    The variable has to be set before the first import; where it is set already, it stays.

    Raises:
        ImportError: If it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    return module
