"""What a page is told of a model: its sliders, its curve, what it replaces. JSON-able, and made without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yoto.bundle import Header, sha256
from yoto.errors import YotoError
from yoto.space import Choice, Interval, LogUniform, LossSpace, Simplex

POSITIONS = 101
"""Positions of a slider."""


def parameters(space: LossSpace, symbols: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """One entry per free loss parameter: what a control for it has to know.

    `scale` is "log", "linear", "simplex" (weights of `options` with the sum 1) or "choice" (one of `options`, or a
    mixture).
    """
    result: list[dict[str, Any]] = []
    for name in space.free:
        distribution = space.parameters[name]
        entry: dict[str, Any] = {"name": name, "label": (symbols or {}).get(name, name), "weight": distribution.weight}
        if isinstance(distribution, Interval):
            scale = "log" if isinstance(distribution, LogUniform) else "linear"
            middle = distribution.median()[0]
            entry |= {"scale": scale, "low": distribution.low, "high": distribution.high, "value": middle}
        elif isinstance(distribution, Simplex):
            entry |= {"scale": "simplex", "options": list(distribution.terms), "value": list(distribution.median())}
            entry["low"] = distribution.minimum
        elif isinstance(distribution, Choice):
            entry |= {"scale": "choice", "options": list(distribution.options), "value": distribution.options[0]}
        else:
            raise YotoError(f"There is no slider for the kind of parameter that {name!r} is.")
        result.append(entry)
    return result


def replaced(space: LossSpace) -> int:
    """Separately trained networks for every position of the sliders: 101 each, and one per option of a choice.

    Of weights with the sum 1 the last one follows from the others.
    """
    count = 1
    for name in space.free:
        distribution = space.parameters[name]
        if isinstance(distribution, Choice):
            count *= len(distribution.options)
        elif isinstance(distribution, Simplex):
            count *= POSITIONS ** (len(distribution.terms) - 1)
        else:
            count *= POSITIONS
    return count


def curve(header: Header) -> dict[str, Any] | None:
    """The trade-off curve of a model as the page draws it, or None where there is none.

    It is the one in the model's file, or the one that `yoto sweep` wrote to RUN/sweep.

    `series` holds terms and metrics by name, one number per point; `points` the free parameters there.
    """
    found = header.curve or swept(header.path)
    if found is None:
        return None
    info = found.get("info") or {}
    return {
        "parameters": found["parameters"],
        "points": found["points"],
        "series": {**found["terms"], **found.get("metrics", {}), "loss": found["loss"]},
        "terms": list(found["terms"]),
        "units": info.get("units") or {},
        "directions": {**header.directions, **(info.get("directions") or {})},
        "images": info.get("n"),
        "split": info.get("split"),
    }


def swept(path: Path) -> dict[str, Any] | None:
    """The curve that a sweep of the model at `path` left in its run's folder, as a mapping, or None."""
    from yoto.curves.curve import TradeoffCurve

    file = path.parent / "sweep" / "curve.json"
    if not file.is_file():
        return None
    try:
        curve = TradeoffCurve.from_json(file)
    except (YotoError, OSError):
        return None  # half written, or of another version: the page goes without
    measured = curve.info.get("weights")  # of a model that was trained anew since, it is another's
    return curve.to_dict() if measured in (None, sha256(path)) else None


def model(header: Header, name: str) -> dict[str, Any]:
    """The facts of a model that every page shows."""
    return {
        "model": name,
        "task": header.task,
        "size": header.size,
        "weights": header.parameters,
        "steps": header.steps,
        "replaces": replaced(header.space),
        "curve": curve(header),
    }


def known_as(name_or_path: str) -> str:
    """The name by which a page calls a model: as the user gave it, of an absolute path the last part that says it."""
    path = Path(name_or_path)
    if not path.is_absolute():
        return path.as_posix()
    return path.parent.name if path.name == "model.safetensors" else path.name
