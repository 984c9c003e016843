"""Choosing by eye: the questions of `yoto select --ask`, one a request; the page keeps the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from yoto.errors import YotoError
from yoto.web.bodies import Body, Name

if TYPE_CHECKING:
    from yoto.curves.selection.coordinates import Coordinates


class AnswersBody(Body):
    """Which of two results was the better one, for each question so far; and the model, where a page has several."""

    answers: Annotated[list[Literal["first", "second", "same"]], Field(max_length=200)]
    model: Name = ""


def question(coordinates: Coordinates, answers: Sequence[Literal["first", "second", "same"]]) -> dict[str, Any]:
    """The next question after some answers.

    Returns:
        "number" of the question and "total"; "pair", two settings to compare, columns by name, or None after the last
        one; "found", the favourite so far.

    Raises:
        YotoError: If there are more answers than questions.
    """
    from yoto.curves.selection.asking import Interview

    interview = Interview(coordinates)
    pairs = iter(interview)
    pair = next(pairs, None)
    for answer in answers:
        if pair is None:
            raise YotoError(f"There should be at most {interview.total} answers. Found {len(answers)}.")
        interview.answer(answer)
        pair = next(pairs, None)
    describe = coordinates.space.describe
    return {
        "number": len(answers) + 1, "total": interview.total, "found": describe(interview.lam),
        "pair": None if pair is None else [describe(lam) for lam in pair],
    }  # fmt: skip
