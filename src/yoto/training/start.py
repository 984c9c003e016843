"""The parameters that a run starts from in place of random ones: a model's, or an unfinished run's as they stand."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yoto import bundle
from yoto.recipe import Recipe, read
from yoto.training.checkpoint import load_checkpoint, load_state
from yoto.training.folder import MODEL, is_unfinished, record


@dataclass(frozen=True)
class Source:
    """Where parameters came from.

    Attributes:
        sha256: Of the model's file, or of the state of the checkpoint.
        steps: Steps that were spent on them, with those of the runs that they came from in turn; 0 where neither the
            run's folder nor the model says it.
        cpu_seconds: Processor time of those steps, likewise.
    """

    sha256: str
    steps: int = 0
    cpu_seconds: float = 0.0


def read_start(name_or_path: str | Path) -> tuple[dict[str, Any], Source]:
    """Parameters, buffers and what modules keep beside them to start from, and what was spent on them.

    Args:
        name_or_path: As of `bundle.locate`, or the folder of an unfinished run: its last checkpoint, the averaged
            parameters where it averages, so that a run that goes on can be branched off.

    Raises:
        YotoError: If there is no such model, or it is damaged.
    """
    folder = Path(name_or_path)
    if is_unfinished(folder):
        tensors, state = load_checkpoint(folder / "last")
        names = [name.removeprefix("model/") for name in tensors if name.startswith("model/")]
        chosen: dict[str, Any] = {name: tensors.get(f"ema/{name}", tensors[f"model/{name}"]) for name in names}
        chosen |= state.get("extra", {})
        digest = hashlib.sha256((folder / "last" / "state.json").read_bytes()).hexdigest()
        return chosen, added(digest, state, state.get("source"))
    path = bundle.locate(name_or_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    header = bundle.read_header(path)
    chosen = {**bundle.read_state(path)[0], **header.state}
    own = record(path.parent) if path.name == MODEL else {}
    if own:
        return chosen, added(digest, own, own.get("before"))
    return chosen, added(digest, header.info, header.before)


def conditioned_as(name_or_path: str | Path, recipe: Recipe) -> Recipe:
    """The recipe, with the `conditioning` of the model or run that it is to start from: its parameters fit no other.

    Args:
        name_or_path: As of `read_start`.
        recipe: That of the new run.
    """
    folder = Path(name_or_path)
    stored: Any = read(folder / "recipe.yaml").to_dict() if is_unfinished(folder) else None
    stored = stored or bundle.read_header(name_or_path).recipe
    if recipe.fixed is not None or not isinstance(stored, Mapping) or "conditioning" not in stored:
        return recipe
    return recipe.replace({"conditioning": stored["conditioning"]})


def branched(out: Path) -> bool:
    """Whether the unfinished run in a folder began with the parameters of another."""
    return is_unfinished(out) and load_state(out / "last").get("source") is not None


def added(digest: str, own: Mapping[str, Any], before: Any) -> Source:
    """What a run spent, and what was spent before it."""
    earlier = as_source(before) or Source("")
    steps = spent(own.get("steps", own.get("step")))  # as a record and as a checkpoint names it
    seconds = spent(own.get("cpu_seconds")) + earlier.cpu_seconds
    return Source(digest, int(steps) + earlier.steps, round(seconds, 2))


def as_source(stored: Any) -> Source | None:
    """A source as a checkpoint, record or model holds it; the hash alone in older ones."""
    if isinstance(stored, str):
        return Source(stored)
    if not isinstance(stored, Mapping):
        return None
    steps, seconds = spent(stored.get("steps")), spent(stored.get("cpu_seconds"))
    return Source(str(stored.get("sha256", "")), int(steps), seconds)


def spent(stored: Any) -> float:
    """A number of steps or seconds; 0 where it is something else, since people write what they like into a model."""
    good = isinstance(stored, int | float) and not isinstance(stored, bool) and math.isfinite(stored) and stored > 0
    return stored if good else 0.0
