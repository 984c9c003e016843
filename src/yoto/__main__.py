"""`yoto` and `python -m yoto`: the command line, or the one line that says what it needs."""

from __future__ import annotations

import sys
from typing import NoReturn

from yoto.errors import YotoError
from yoto.support.extras import needed


def main() -> NoReturn:
    """Run the command line; without its libraries say what to install, with the exit code of bad input.

    Ctrl-C is for `run` to tell of, once that is there.
    """
    try:
        with needed("The command line"):
            from yoto.cli import main as run
    except YotoError as error:
        print(f"yoto: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("yoto: interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
