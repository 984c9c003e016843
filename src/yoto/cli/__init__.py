"""The command line: parse, call the library, print.

Nothing here imports torch, numpy, lightning or matplotlib before the arguments are known to be good, so that help
and errors answer at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yoto.cli.program import app as app
    from yoto.cli.program import main as main
    from yoto.cli.program import run as run

__all__ = ["app", "main", "run"]


def __getattr__(name: str) -> Any:
    # The program imports the commands of all applications, which import from this package.
    if name in __all__:
        from yoto.cli import program

        return getattr(program, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
