"""What the page of an application is: files, facts, what it loads. How to write one is in CONTRIBUTING.md."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yoto.curves.selection.coordinates import Coordinates
    from yoto.data.pixels import Pixels
    from yoto.web.copy_folder import CopyFolder


@dataclass(frozen=True)
class Glimpse:
    """What the start page shows of a page: a small picture at some settings of a slider.

    Attributes:
        label: What the slider is.
        at: The settings in words, in their order.
        frames: A picture for each, all of one size.
    """

    label: str
    at: Sequence[str]
    frames: Sequence[Pixels]


class Page(ABC):
    """A page, made once per server. NAME is that of its application; jobs run in threads, several at a time.

    Attributes:
        title: For the navigation.
        about: What it shows, in a sentence, for the start page.
        html: A file with what stands in <main> of NAME.html; the common frame surrounds it and loads the script.
        script: A file with a JavaScript module, served as js/NAME.js beside common.js, slider.js and plot.js. Scripts
            and styles inside `html` are not run: the security policy forbids them.
        bodies: Bytes of requests' bodies at most, by address, where they are more than a little JSON.
        opens: Kinds of files that the page takes when they are dropped on any page: "image/*", endings as ".yoto".
        alone: Whether the page works without a server, with networks that run in the browser; `put` writes those.
    """

    title: str
    about: str = ""
    html: Path
    script: Path
    bodies: Mapping[str, int] = {}
    opens: Sequence[str] = ()
    alone: bool = False

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """What the script is told by `facts("NAME")`, which asks for api/NAME.json: JSON without NaN.

        Called once, when the server starts; it should be quick, and load no weights.

        Raises:
            YotoError: If the page cannot be shown. It is left out then, and the others are served.
        """

    def loads(self) -> Sequence[Callable[[], object]]:
        """What the first clicks need: functions that load it once, one after the other."""
        return ()

    def check(self) -> None:  # noqa: B027 - most have nothing to do
        """Do once what a click does, for `yoto demo --check`; by default nothing.

        Raises:
            YotoError: If it does not work.
        """

    def glimpse(self) -> Glimpse | None:
        """What the start page shows of it, computed once, or None."""
        return None

    def chosen_by_eye(self, model: str = "") -> Coordinates | None:
        """Of one of its models, what the page's questions choose; the other parameters are held. None: nothing."""
        return None

    def put(self, copy: CopyFolder) -> None:
        """Write what the page asks for where there is no server: its facts and networks.

        Raises:
            NotImplementedError: If the page needs a server.
        """
        raise NotImplementedError(f"{self.title} needs a server.")
