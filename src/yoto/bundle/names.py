"""Where models are: those that come with the package, those of the user, and files."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from yoto import registry
from yoto.errors import YotoError, near_misses


def bundled() -> dict[str, Path]:
    """The models that come with the package, and with installed applications, by name."""
    root = Path(str(files("yoto") / "assets"))
    folders = {path.name: path for path in root.iterdir() if path.is_dir()} | registry.folders("models")
    return {
        f"{name}/{file.stem}": file
        for name, path in sorted(folders.items())
        for file in sorted(path.glob("*.safetensors"))
    }


def local() -> dict[str, Path]:
    """Bundles in the folder `YOTO_MODELS` and finished runs in `./runs`, by name."""
    found: dict[str, Path] = {}
    folder = os.environ.get("YOTO_MODELS")
    if folder:
        found |= {
            p.relative_to(folder).with_suffix("").as_posix(): p for p in sorted(Path(folder).rglob("*.safetensors"))
        }
    found |= {p.parent.as_posix(): p for p in sorted(Path("runs").glob("**/model.safetensors"))}
    return found


def locate(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a model: a file, a run folder, a bundled model's name or a name in `YOTO_MODELS`."""
    if not isinstance(name_or_path, str | os.PathLike):
        raise YotoError(f"A model should be named by text or a path. Found {type(name_or_path).__name__}.")
    path = Path(name_or_path)
    if path.is_file():
        return path
    if (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    known = {**local(), **bundled()}
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    if path.is_dir():
        raise YotoError(
            f"Folder {str(path)!r} should hold model.safetensors, which a finished run has. "
            "Finish it with yoto train --resume."
        )
    raise YotoError(
        f"A model should be a file, a run folder or one of {', '.join(known) or '(none bundled)'}. "
        f"Found {str(name_or_path)!r}.{near_misses(str(name_or_path), tuple(known))}"
    )
