"""What comes of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Facts for the page, the picture as PNG, and a file to take home, or b""."""

    facts: dict[str, Any]
    picture: bytes
    file: bytes = b""
