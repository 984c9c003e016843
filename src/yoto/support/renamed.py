"""Modules under the names that they had once, which pickles of bound layers and conditional networks refer to."""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

HOMES = {
    "yoto.conditional": ("yoto.conditioning.conditional",),
    "yoto.distributions": ("yoto.space",),
    "yoto.film": ("yoto.conditioning.film", "yoto.conditioning.binding", "yoto.conditioning.folding"),
    "yoto.folding": ("yoto.conditioning.folding",),
    "yoto.simplex": ("yoto.space",),
}
"""Old name, and the modules that hold its classes and functions now."""


class OldNames:
    """A finder for `sys.meta_path` and its loader; nothing is imported before an old name is asked for.

    The base classes in importlib.abc would cost more to import than all that importing yoto takes.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """How to import a module, if its name is an old one."""
        return ModuleSpec(fullname, self) if fullname in HOMES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with what its successors hold."""
        for home in HOMES[module.__name__]:
            module.__dict__.update({k: v for k, v in vars(import_module(home)).items() if not k.startswith("_")})
