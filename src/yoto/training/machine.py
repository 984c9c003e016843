"""What a run was made on, for its record."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

import yoto


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Processor, cores, threads and accelerator, as JSON can hold them."""
    found = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
    }
    if device.type == "cuda":
        found["accelerator"] = torch.cuda.get_device_name(device)
    return found


def processor() -> str:
    """The processor's model name where the system tells it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of Python, torch and this library."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "yoto": yoto.__version__}
