"""What the page of an application is: its files, its facts, and what it loads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yoto.web.copy_folder import CopyFolder


class Page(ABC):
    """A page; its methods run in threads.

    Attributes:
        title: For the navigation.
        html: The page's own part, which the common frame surrounds.
        script: Its script, served as js/NAME.js beside the common ones.
        bodies: Bytes of requests' bodies at most, by address, where they are more than a little JSON.
        alone: Whether the page works without a server, with networks that run in the browser; `put` writes those.
    """

    title: str
    html: Path
    script: Path
    bodies: Mapping[str, int] = {}
    alone: bool = False

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """What the page's script is told, as JSON."""

    def loads(self) -> Sequence[Callable[[], object]]:
        """What the first clicks need: functions that load it once, one after the other."""
        return ()

    def put(self, copy: CopyFolder) -> None:
        """Write what the page asks for where there is no server: its facts and networks.

        Raises:
            NotImplementedError: If the page needs a server.
        """
        raise NotImplementedError(f"{self.title} needs a server.")
