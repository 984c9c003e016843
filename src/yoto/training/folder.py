"""The folder of a run: whether it may be written or resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto import bundle
from yoto.errors import YotoError
from yoto.recipe import Recipe, differences, read

if TYPE_CHECKING:
    from yoto.space import LossSpace

MODEL = "model.safetensors"
"""What a finished run's folder holds."""
FACTS = ("steps", "cpu_seconds", "machine", "versions", "seed", "before")
"""Keys of run.json that go with a model."""
NEUTRAL = (
    "name",
    "comparison",
    "training.log_every",
    "training.checkpoint_every",
    "options.data",
    "options.download",
)
"""Keys of a recipe that do not bear on the parameters, so that a resumed run may change them."""


def has_run(out: Path) -> bool:
    """Whether a folder holds parameters of a run. Without them it failed, or was killed before a checkpoint."""
    return any((out / name).exists() for name in ("last/state.json", f"best/{MODEL}", MODEL))


def check_folder(recipe: Recipe, out: Path, *, resume: bool, force: bool) -> None:
    """Check that a run may be written to or resumed in `out`; what is there already stays until `clear`.

    Raises:
        YotoError: If a run is there already and neither `resume` nor `force` is given; if there is none to resume;
            or if the run to resume was made by another recipe, naming the first key that differs.
    """
    stored = out / "recipe.yaml"
    if resume:
        if not stored.exists():
            raise YotoError(f"`out` should be the folder of a run to resume. Found no recipe.yaml in {str(out)!r}.")
        if has_run(out):
            check_same(read(stored), recipe, out)
    elif begun(out) and has_run(out) and not force:
        raise YotoError(
            f"`out` should be a new folder. Found a run in {str(out)!r}. "
            "Give another folder, `resume` to go on with it, or `force` to replace it."
        )


def begun(out: Path) -> bool:
    """Whether a folder is a run's, however far that came."""
    return (out / "recipe.yaml").exists() or (out / "last").exists()


def clear(out: Path) -> None:
    """Remove what a run wrote, and nothing else; a folder of anything else stays as it is."""
    if not begun(out):
        return
    for name in ("last", "best", "tensorboard"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("recipe.yaml", "log.csv", MODEL, "run.json"):
        (out / name).unlink(missing_ok=True)


def record(run: Path) -> dict[str, Any]:
    """What run.json says, or nothing."""
    try:
        found = json.loads((run / "run.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def facts_of(run: Path) -> dict[str, Any]:
    """What of run.json goes with a run's model wherever it is stored: what was spent on it, where and by what.

    Unlike `record` it fails where there is no run.json: a model that is to be stored should say these things.
    """
    found = json.loads((run / "run.json").read_text("utf-8"))
    return {key: found[key] for key in FACTS if key in found}


def space_of(name_or_path: str | Path) -> LossSpace:
    """The loss space of a model, or of an unfinished run, named as `train --from` takes them."""
    folder = Path(name_or_path)
    if is_unfinished(folder):
        return read(folder / "recipe.yaml").loss_space()
    return bundle.read_header(name_or_path).space


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a run that has a checkpoint and no model yet."""
    return (folder / "last" / "state.json").is_file() and not (folder / MODEL).is_file()


def check_same(old: Recipe, new: Recipe, out: Path) -> None:
    """Refuse to resume under a recipe that differs in anything that bears on the parameters."""
    for key in differences_in_parameters(old, new):
        before, after = (value_at(recipe.to_dict(), key) for recipe in (old, new))
        raise YotoError(
            f"`{key}` should be as in the run to resume in {str(out)!r}, {before!r}. Found {after!r}. "
            "Usually: another recipe or override than at first. To train on under another, begin in a new folder with "
            f"the parameters of this run: --from {out} (in Python `weights=`)."
        )


def differences_in_parameters(old: Recipe, new: Recipe) -> list[str]:
    """Dotted keys at which two recipes differ and that bear on the parameters; evaluation does if it picks the best."""
    validates = old.training.validate_every or new.training.validate_every
    neutral = NEUTRAL if validates else (*NEUTRAL, "evaluation")
    keys = differences(old, new)
    return [key for key in keys if not any(key == name or key.startswith(f"{name}.") for name in neutral)]


def value_at(tree: Any, key: str) -> Any:
    """The value at a dotted key, or None."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree
