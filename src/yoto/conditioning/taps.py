"""Listening to modules as they run: when they are called, and when somebody calls their `forward`, past all hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

Begin = Callable[[], None]
End = Callable[[tuple[Any, ...], dict[str, Any], Any], None]


class Tap:
    """Stands in a module for its `forward`, as an attribute of the object.

    An object and no function, so that a copy of the module made meanwhile has one that runs the copy.

    Args:
        module: The module.
        end: Called behind it with arguments, keyword arguments and what it gave; not where it failed.
        begin: Called before it.
        leave: Called behind it in any case.
    """

    def __init__(self, module: nn.Module, end: End | None, begin: Begin | None, leave: Begin | None) -> None:
        self.module, self.end, self.begin, self.leave = module, end, begin, leave
        self.inner = module.forward
        self.own = "forward" in vars(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output."""
        if self.begin is not None:
            self.begin()
        try:
            result = self.inner(*args, **kwargs)
        finally:
            if self.leave is not None:
                self.leave()
        if self.end is not None:
            self.end(args, kwargs, result)
        return result

    def remove(self) -> None:
        """Put back what was there before; the last of several first."""
        if self.own:
            vars(self.module)["forward"] = self.inner
        else:
            del vars(self.module)["forward"]


def tap(module: nn.Module, end: End | None = None, begin: Begin | None = None, leave: Begin | None = None) -> Tap:
    """Listen to a module until the result's `remove()`."""
    result = Tap(module, end, begin, leave)
    vars(module)["forward"] = result
    return result


def remove_all(taps: Iterable[Tap]) -> None:
    """Take taps away, the last first."""
    for each in reversed(list(taps)):
        each.remove()
