"""The one shape of every report: files by name in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yoto.support.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Content = str | bytes | Callable[[Path], None]
    """A file's text or bytes, or what writes it to a path, such as `curve.to_csv` or `partial(save_figure, figure)`."""


def write_report(out: str | Path, contents: Mapping[str, Content]) -> list[Path]:
    """Write the files of a report, each as a whole, to the folder `out` and return their paths in the order given."""
    paths = []
    for name, content in contents.items():
        path = Path(out) / name
        if callable(content):
            content(path)
        else:
            write_atomic(path, content)
        paths.append(path)
    return paths
