"""Optional libraries: what the absence of one is said by, in one line that names the extra that brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from yoto.errors import YotoError

LIBRARIES: dict[str, tuple[str, str]] = {
    "PIL": ("Pillow", "train"),
    "constriction": ("constriction", "codec"),
    "fastapi": ("fastapi", "web"),
    "h5py": ("h5py", "data"),
    "ipywidgets": ("ipywidgets", "notebook"),
    "lightning_fabric": ("lightning-fabric", "train"),
    "markdown_it": ("markdown-it-py", "web"),
    "matplotlib": ("matplotlib", "train"),
    "moocore": ("moocore", "train"),
    "onnx": ("onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "onnxscript": ("onnxscript", "onnx"),
    "optuna": ("optuna", "optuna"),
    "pooch": ("pooch", "train"),
    "pydantic": ("pydantic", "train"),
    "rich": ("rich", "train"),
    "scipy": ("scipy", "train"),
    "sklearn": ("scikit-learn", "train"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "typer": ("typer", "train"),
    "uvicorn": ("uvicorn", "web"),
    "yaml": ("PyYAML", "train"),
}
"""By the name that is imported: the package's name and the extra that brings it, where the caller names no other."""


def advice(extra: str) -> str:
    """How an extra is installed."""
    return f"Install it with pip install '.[{extra}]' in a checkout of yoto."


def refusal(what: str, *modules: str, extra: str | None = None) -> YotoError:
    """The error that says what `what` needs and how to install it."""
    packages = [LIBRARIES[module][0] for module in modules]
    return YotoError(f"{what} needs {' and '.join(packages)}. Found none. {advice(extra or LIBRARIES[modules[0]][1])}")


def require(what: str, *modules: str, extra: str | None = None) -> None:
    """Refuse to go on where one of `modules` is not installed; nothing is imported.

    Args:
        what: What needs them, such as "The page".
        extra: The extra that brings them, where it is not the one of LIBRARIES.

    Raises:
        YotoError: Naming the packages and the extra.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise refusal(what, *missing, extra=extra)


@contextmanager
def needed(what: str, *, extra: str | None = None) -> Iterator[None]:
    """A block that imports optional libraries; arguments as of `require`.

    Raises:
        YotoError: Naming the package and the extra, where one of LIBRARIES is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in LIBRARIES:
            raise
        raise refusal(what, module, extra=extra) from error
