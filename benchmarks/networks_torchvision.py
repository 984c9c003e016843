"""A stand-in for torchvision, installed on import: every name exists, none does anything. Packages import it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any

from torch import nn

NAME = "torchvision"


class AnyMember(type):
    """A class with every member."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class StandIn(types.ModuleType):
    """A module with every name: classes are modules without layers, functions raise."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value: Any
        if name == "InterpolationMode":
            value = AnyMember(name, (), {"__module__": self.__name__})
        elif name[:1].isupper():
            value = type(name, (nn.Module,), {"__module__": self.__name__})
        else:

            def value(*_: Any, **__: Any) -> None:
                raise RuntimeError(f"The stand-in for torchvision has no {name}.")

        setattr(self, name, value)
        return value


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torchvision and every module inside it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name == NAME or name.startswith(f"{NAME}."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = StandIn(spec.name)
        module.__path__ = []
        module.__dict__["__version__"] = "0.0.0"
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


sys.meta_path.append(Finder())
