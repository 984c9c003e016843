"""What comes of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Facts for the page, the picture as PNG, and a file to take home, or b"".

    A preview has no PNG but `inline`, the picture as a `data:` address, which goes out with the facts and is not kept.
    """

    facts: dict[str, Any]
    picture: bytes = b""
    file: bytes = b""
    inline: str = ""
