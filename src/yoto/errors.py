"""The library's own exception."""

from __future__ import annotations


class YotoError(ValueError):
    """Bad input: the message is one line that says what was wrong, what was expected and what to do.

    The command line prints the message and exits with status 2. It is a `ValueError`, so callers that
    already guard against bad values need not know this class.

    Args:
        message: The line.
        code_only: How it goes on for who writes Python: advice that a command line has no use for.

    Attributes:
        message: The line without that.

    >>> from yoto import LossSpace, LogUniform
    >>> try:
    ...     LossSpace(fit=1.0, kl=LogUniform(0.5, 128.0)).point(kl=0.1)
    ... except YotoError as error:
    ...     print(error.message)
    `kl` should lie in [0.5, 128], the range of its log-uniform distribution. Found 0.1. Give a value inside
    """

    def __init__(self, message: str = "", code_only: str = "") -> None:
        super().__init__(message + code_only)
        self.message = message


def near_misses(name: object, known: list[str] | tuple[str, ...]) -> str:
    """A hint such as " Did you mean 'kl'?", or "" where no known name is close.

    Args:
        name: The name that was not found.
        known: The names that exist.
    """
    import difflib

    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
