"""What the arguments of `yoto stylize` mean: the mode, the styles, the files. Imports neither torch nor NumPy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yoto.cli import checks
from yoto.data.formats import OTHERS, SUFFIXES

SLIDERS = ("strength", "fine", "mid", "coarse", "coarser", "smoothness")


def the_mode(grid: bool, animate: bool, frames: bool, further: Mapping[str, Any]) -> str:
    """The slider over which pictures are shown, or "" where each input gives one picture.

    Args:
        further: Options that are for --grid and --animate.

    Raises:
        UsageError: If two modes are given, or an option that is not for the given one.
    """
    modes = [name for name, on in (("--grid", grid), ("--animate", animate), ("--frames", frames)) if on]
    if len(modes) > 1:
        raise checks.UsageError(f"one of --grid, --animate and --frames should be given. Found {' and '.join(modes)}")
    if grid or animate:
        return checks.choice(further["--over"] or "strength", SLIDERS, "--over")
    for option, value in further.items():
        if value is not None:
            raise checks.UsageError(f"{option} is for --grid and --animate. Found neither")
    return ""


def refuse_doubled(slider: str, strength: float | None, layers: Mapping[str, float], smoothness: float | None) -> None:
    """Refuse a position of the slider over which pictures are shown.

    Raises:
        UsageError: Naming its option.
    """
    given = {"strength": strength, "smoothness": smoothness, **layers}
    if given.get(slider) is not None:
        option = f"--layer {slider}" if slider in layers else f"--{slider}"
        raise checks.UsageError(f"{option} is what the pictures differ in. Leave it out, or give another --over")


def the_styles(given: Sequence[str], known: Sequence[str], grid: bool) -> Sequence[str]:
    """The styles that are asked for; with --grid several, or by default the whole bank.

    Raises:
        UsageError: If there is none, or several without --grid.
    """
    if grid:
        return given or known
    if not given:
        raise checks.UsageError(f"--style should be one of {', '.join(known)}. Found none")
    if len(given) > 1:
        raise checks.UsageError(f"several --style are for --grid; a blend is --style A:1,B:1. Found {len(given)}")
    return given


def expanded(inputs: Sequence[Path], *, frames: bool) -> list[Path]:
    """The files, with folders as the pictures in them, by name.

    Raises:
        UsageError: If one does not exist or a folder has no picture.
    """
    result: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = [
                file
                for file in path.iterdir()
                if file.is_file() and file.suffix.lower() in SUFFIXES | OTHERS and not file.name.startswith(".")
            ]
            if not found:
                raise checks.UsageError(f"the folder {str(path)!r} should have pictures in it. Found none")
            result += sorted(found, key=counted)
        else:
            result.append(path)
    checks.inputs(result)
    if frames and len(result) < 2:
        raise checks.UsageError(f"--frames needs at least two pictures. Found {len(result)}")
    return result


def counted(path: Path) -> list[tuple[int, str]]:
    """A key that sorts names by the numbers in them: frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def blend(text: str) -> dict[str, float]:
    """Weights by name of "great-wave" or "great-wave:2,pink-cloud:1".

    Raises:
        UsageError: If it is not of that form.
    """
    result: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.partition(":")
        try:
            value = float(weight) if colon else 1.0
        except ValueError:
            value = float("nan")
        if not name.strip() or not 0 <= value < float("inf"):
            raise checks.UsageError(f"--style should be NAME or NAME:WEIGHT,NAME:WEIGHT. Found {text!r}")
        result[name.strip()] = result.get(name.strip(), 0.0) + value
    return result


def offsets(texts: Sequence[str]) -> dict[str, float]:
    """Offsets of the layers of ["coarse=2", …].

    Raises:
        UsageError: If one is not of that form.
    """
    result = {}
    for name, value in checks.point(texts, "--layer").items():
        if not isinstance(value, float):
            raise checks.UsageError(f"--layer should be NAME=W, such as coarse=2. Found {name}={value}")
        result[name] = value
    return result
