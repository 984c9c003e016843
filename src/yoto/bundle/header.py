"""What a bundle says of itself: the metadata of its file, read without torch and without the weights.

Version 2 added `objective`, `directions`, `layers`, `state` and `example`. A reader needs only `format`, `version`,
`space` and `conditioning`; what it does not know is kept when a bundle is written again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.bundle.names import bundled, local, locate
from yoto.errors import YotoError
from yoto.space import LossSpace
from yoto.support import tensors

if TYPE_CHECKING:
    from yoto.conditioning import Conditional

VERSIONS = ("1", "2")
"""That can be read; the last is written."""
EXTRAS = "extras."
"""Prefix of stored tensors that are no weights."""
OPTIONAL = ("recipe", "curve", "info", "objective", "directions", "layers", "state", "example")
"""Keys of metadata that hold JSON and may be missing."""
KNOWN = ("format", "version", "task", "space", "conditioning", *OPTIONAL, "sha256")


@dataclass(frozen=True)
class Header:
    """What a bundle says of itself. `conditioning` is None for a network trained at `fixed` weights.

    Attributes:
        path: The file.
        size: Its size in bytes.
        parameters: Number of stored weights.
        task: Name of the task, or "" where the user saved a network of their own.
        space: The loss space.
        conditioning: Arguments of `condition`, or None.
        recipe: The recipe as a mapping, or None.
        curve: The trade-off curve as a mapping (`TradeoffCurve.from_dict` reads it), or None.
        info: Anything else: steps, CPU-seconds, seed.
        objective: How the loss was made of its terms, as `Objective.to_dict` says it, or None where it is not known.
        directions: Which way terms and metrics are better, "lower" or "higher", by name.
        layers: How the conditioned layers fold, by name, so that `baked_state` needs no network.
        state: What modules keep beside tensors (`get_extra_state`), by key of the `state_dict`.
        example: Names of stored example inputs in order, with values that are no tensors, or None.
        unknown: Metadata that this version does not know, which `save(like=)` keeps.
    """

    path: Path
    size: int
    parameters: int
    task: str
    space: LossSpace
    conditioning: dict[str, Any] | None
    recipe: dict[str, Any] | None
    curve: dict[str, Any] | None
    info: dict[str, Any]
    objective: dict[str, Any] | None = None
    directions: dict[str, str] = field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    example: dict[str, Any] | None = None
    unknown: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        task = f", task {self.task!r}" if self.task else ""
        return f"Header({str(self.path)!r}, {self.parameters} parameters{task}, {self.space!r})"

    @property
    def steps(self) -> int | None:
        """Steps that were spent on the parameters, with those of the runs that they came from; None where unknown."""
        own = self.info.get("steps")
        earlier = self.before.get("steps")
        if not isinstance(own, int):
            return None
        return own + earlier if isinstance(earlier, int) else own

    @property
    def before(self) -> dict[str, Any]:
        """What was spent on the parameters that the last run, or polishing, started from; empty where unknown."""
        said = self.info.get("before") or self.info.get("polished_from")
        return said if isinstance(said, dict) else {}

    @property
    def task_class(self) -> str | None:
        """Where the class of a task of the user's own was, as `module:Class`: to be told, never imported."""
        said = self.info.get("task_class")
        return said if isinstance(said, str) else None


def read_header(name_or_path: str | os.PathLike[str]) -> Header:
    """What a bundle says of itself, without torch and without its weights; names as of `locate`.

    Raises:
        YotoError: If the file is missing, damaged or no bundle.
    """
    path = locate(name_or_path)
    header, _ = tensors.read_header(path)
    metadata = header.pop("__metadata__", None) or {}
    if metadata.get("format") != "yoto":
        raise YotoError(
            f"{str(path)!r} should be a bundle written by yoto.save. Found a .safetensors file without its metadata."
        )
    if metadata.get("version") not in VERSIONS:
        raise YotoError(
            f"{str(path)!r} has bundle version {metadata.get('version')}; this yoto reads versions "
            f"{' and '.join(VERSIONS)}. Upgrade yoto."
        )
    try:
        content = {key: json.loads(metadata[key]) for key in ("space", "conditioning")}
        content |= {key: json.loads(metadata.get(key, "null")) for key in OPTIONAL}
        space = LossSpace.from_dict(content["space"])
        count = sum(math.prod(tensor["shape"]) for name, tensor in header.items() if not name.startswith(EXTRAS))
    except YotoError as error:
        raise YotoError(f"{str(path)!r} holds a loss space that this version does not know: {error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise YotoError(f"{str(path)!r} is damaged: its metadata cannot be read. Get the file anew.") from error
    return Header(
        path=path,
        size=path.stat().st_size,
        parameters=count,
        task=metadata.get("task", ""),
        space=space,
        conditioning=content["conditioning"],
        recipe=content["recipe"],
        curve=content["curve"],
        info=content["info"] or {},
        objective=content["objective"],
        directions=content["directions"] or {},
        layers=content["layers"] or {},
        state=content["state"] or {},
        example=content["example"],
        unknown={key: text for key, text in metadata.items() if key not in KNOWN},
    )


def described_layers(model: Conditional[Any]) -> dict[str, dict[str, Any]]:
    """How the conditioned layers fold, by name, JSON-able."""
    from torch.nn.modules.conv import _ConvTransposeNd

    return {
        site.name: {
            "type": site.type,
            "transposed": isinstance(model.plain.get_submodule(site.name), _ConvTransposeNd),
            **site.layer.to_dict(),
        }
        for site in model.sites
    }


def metadata_of(
    space: LossSpace, conditioning: Mapping[str, Any] | None, said: Mapping[str, Any], like: Header | None
) -> dict[str, str]:
    """The metadata of a new bundle.

    Args:
        space: The loss space.
        conditioning: Arguments of `condition`, or None for a plain network.
        said: The task and what is `OPTIONAL`, or None for what was not given.
        like: A bundle that this one rewrites, for what was not given.
    """
    values = {key: value if value is not None or like is None else getattr(like, key) for key, value in said.items()}
    result = {
        "format": "yoto",
        "version": VERSIONS[-1],
        "task": values.pop("task") or "",
        "space": space.to_json(),
        "conditioning": json.dumps(conditioning),
    }
    for key, value in values.items():
        if value:
            try:
                result[key] = json.dumps(value)
            except (TypeError, ValueError) as error:
                raise YotoError(f"`{key}` should hold what JSON can: text, numbers, lists. Found: {error}.") from None
    return {**(like.unknown if like is not None else {}), **result}


def listing() -> list[tuple[str, bool, Header]]:
    """Name, whether bundled, and header of every model that can be found; damaged ones are left out."""
    result, ours = [], bundled()
    for name, path in [*ours.items(), *local().items()]:
        try:
            result.append((name, path in ours.values(), read_header(path)))
        except YotoError:
            continue
    return result
