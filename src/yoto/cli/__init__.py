"""The command line: parse, call the library, print.

Nothing here imports torch, numpy, lightning or matplotlib before the arguments are known to be good, so that help
and errors answer at once.
"""

from __future__ import annotations

from yoto.cli.program import app as app
from yoto.cli.program import main as main
from yoto.cli.program import run as run

__all__ = ["app", "main", "run"]
