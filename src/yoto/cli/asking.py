"""The questions of `yoto select --ask`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.cli.output import note
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.bundle import Bundle
    from yoto.curves.selection.asking import Answer, Interview
    from yoto.space import Value
    from yoto.task import BaseTask

ANSWERS: dict[str, Answer] = {
    "1": "first",
    "2": "second",
    "=": "same",
    "first": "first",
    "second": "second",
    "same": "same",
}


def interview(loaded: Bundle, task: BaseTask, at: Mapping[str, Value], seed: int) -> dict[str, float]:
    """Ask until λ is narrowed down; answers come from standard input, a line each.

    Raises:
        YotoError: If the task shows no pictures, or the input ends before the questions do.
    """
    from yoto.curves.selection.asking import Interview
    from yoto.curves.selection.coordinates import Coordinates

    questions = Interview(Coordinates(loaded.space, at))
    folder = Path(tempfile.mkdtemp(prefix="yoto-ask-"))
    files = (folder / "1.png", folder / "2.png")
    note(f"{questions.total} questions. Two pictures each time: {files[0]} and {files[1]}")
    note("1 or 2: the better one; =: as good; o: open both; q: that will do")
    for number, pair in enumerate(questions, 1):
        for file, lam in zip(files, pair, strict=True):
            draw(loaded, task, lam, file, seed)
        if not asked(questions, f"{number} of {questions.total}", files):
            break
    return loaded.space.describe(questions.lam)


def asked(questions: Interview, place: str, files: tuple[Path, Path]) -> bool:
    """Take one answer; False where the user has enough."""
    while True:
        print(f"{place}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        word = line.strip().lower()
        if not line:
            note("")
            raise YotoError(f"Answers should come until the last question, or q. Found the end of input at {place}.")
        if word in ("q", "quit"):
            return False
        if word in ("o", "open"):
            import typer

            for file in files:
                typer.launch(str(file))
        elif word in ANSWERS:
            questions.answer(ANSWERS[word])
            return True
        else:
            note("1, 2, =, o or q")


def draw(loaded: Bundle, task: BaseTask, lam: Any, file: Path, seed: int) -> None:
    """Write the task's picture at λ."""
    import torch
    from PIL import Image

    from yoto.support.graphs import without_graph

    device = next(loaded.model.parameters()).device
    at = torch.tensor(lam, dtype=torch.float32, device=device)
    picture = without_graph(lambda: task.picture(loaded.conditional.at(at), at, seed=seed))
    if picture is None:
        raise YotoError(
            "--ask needs a task whose method `picture` shows a λ. Found none. Use --minimise or --maximise."
        )
    Image.fromarray(picture).save(file)
