"""Which runs a comparison is made of."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError
from yoto.recipe import points as zipped_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yoto.recipe import Recipe
    from yoto.space import Value

    Point = dict[str, Value]
    PointLists = Mapping[str, Sequence[float | str]]


CONDITIONAL_ONLY: dict[str, Any] = {
    "conditioning": {},
    "comparison.points": None,
    "training.tilt": None,
    "training.spread": None,
    "training.conditioning_lr": None,
    "training.balance": None,
    "training.sampling": "iid",
}
"""What a network for one λ has no use for, at its neutral value, so that changing it does not change the references."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line of the report: a conditional model, trained once per seed.

    Attributes:
        name: Short name; the runs' folders are called "<name>-seed-<seed>".
        label: Name for people.
        multiple: Its steps as a multiple of a reference's.
        recipes: The recipe for each seed.
    """

    name: str
    label: str
    multiple: float
    recipes: tuple[Recipe, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything to train.

    Attributes:
        seeds: The seeds.
        points: The compared points.
        arms: The conditional models.
        references: For each seed, the recipe of the network that is trained for each point alone.
        reference_names: The name of each of them.
    """

    seeds: tuple[int, ...]
    points: tuple[Point, ...]
    arms: tuple[Arm, ...]
    references: tuple[tuple[Recipe, ...], ...]
    reference_names: tuple[str, ...]

    def runs(self) -> dict[str, Recipe]:
        """Recipe by folder name, in an order that finishes one seed before the next."""
        result: dict[str, Recipe] = {}
        for number, seed in enumerate(self.seeds):
            for arm in self.arms:
                result[f"{arm.name}-seed-{seed}"] = arm.recipes[number]
            for name, recipe in zip(self.reference_names, self.references[number], strict=True):
                result[f"{name}-seed-{seed}"] = recipe
        return result


def make_plan(
    recipe: Recipe,
    *,
    points: PointLists | Sequence[Mapping[str, Any]] | None,
    seeds: int | Sequence[int] | None,
    multiples: Sequence[float],
    others: Sequence[Recipe],
) -> Plan:
    """The runs for what `compare` was asked; its errors are `compare`'s.

    Raises:
        YotoError: If there is no point, seed or model to compare, or another recipe has another loss.
    """
    chosen = chosen_points(recipe, points)
    if seeds is None or isinstance(seeds, int):
        count = recipe.comparison.seeds if seeds is None else seeds
        seeds = range(recipe.seed, recipe.seed + count)
    if not seeds or len(set(seeds)) < len(seeds):
        raise YotoError(f"`seeds` should be at least one seed, each once. Found {list(seeds)}.")
    if recipe.fixed is not None:
        raise YotoError("`recipe` should be of a conditional model. Found one with `fixed`. Usually: take it out.")
    if any(multiple <= 0 for multiple in multiples) or not (multiples or others):
        raise YotoError(f"`multiples` should be at least one number above 0. Found {list(multiples)}.")
    arms = [
        Arm(
            name=f"conditional-{multiple:g}x",
            label="conditional" if list(multiples) == [1] else f"conditional, {multiple:g}x steps",
            multiple=multiple,
            recipes=tuple(longer(recipe, multiple).replace({"seed": seed}) for seed in seeds),
        )
        for multiple in dict.fromkeys(multiples)
    ]
    for other in others:
        check_same_loss(recipe, other, chosen)
        arms.append(
            Arm(
                name=slug(other.name),
                label=other.name,
                multiple=other.training.steps / recipe.training.steps,
                recipes=tuple(other.replace({"seed": seed}) for seed in seeds),
            )
        )
    names = [arm.name for arm in arms] + [f"fixed-{slug(point_text(point))}" for point in chosen]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise YotoError(f"Each point and model should be compared once. Found {', '.join(sorted(doubled))} twice.")
    alone = recipe.replace({**CONDITIONAL_ONLY, **recipe.comparison.fixed})
    return Plan(
        seeds=tuple(seeds),
        points=tuple(chosen),
        arms=tuple(arms),
        references=tuple(
            tuple(alone.replace({"fixed": dict(point), "seed": seed}) for point in chosen) for seed in seeds
        ),
        reference_names=tuple(names[len(arms) :]),
    )


def chosen_points(recipe: Recipe, points: PointLists | Sequence[Mapping[str, Any]] | None) -> list[Point]:
    """Complete settings of the free parameters, checked against the space."""
    space = recipe.loss_space()
    if points is None:
        found = recipe.comparison_points()
    elif isinstance(points, list | tuple):
        found = [dict(point) for point in points]
        for point in found:
            space.check(point)
    else:
        found = zipped_points(space, dict(points))  # type: ignore[arg-type]
    if not found:
        raise YotoError(
            "`points` should say which fixed models to train. Found none. Usually: `comparison.points` in the recipe."
        )
    return found


def longer(recipe: Recipe, multiple: float) -> Recipe:
    """The recipe with its steps, and the milestones of its schedule, multiplied."""
    if multiple == 1:
        return recipe
    changes: dict[str, Any] = {"training.steps": max(1, round(recipe.training.steps * multiple))}
    if recipe.training.milestones:
        changes["training.milestones"] = [round(step * multiple) for step in recipe.training.milestones]
    return recipe.replace(changes)


def check_same_loss(recipe: Recipe, other: Recipe, points: Sequence[Point]) -> None:
    """Refuse another recipe whose loss at a compared point is not the same."""
    mine, theirs = recipe.loss_space(), other.loss_space()
    if other.fixed is not None or mine.names != theirs.names:
        raise YotoError(
            f"Recipe {other.name!r} should be conditional with the loss parameters {', '.join(mine.names)}. "
            f"Found {'fixed weights' if other.fixed is not None else ', '.join(theirs.names)}."
        )
    for point in points:
        if mine.check(point) != theirs.check(point):
            raise YotoError(f"Recipe {other.name!r} should have the same loss at {point}. Found other weights.")


def point_text(point: Mapping[str, Any]) -> str:
    """A point as part of a folder's name."""
    parts = []
    for name, value in point.items():
        if isinstance(value, dict):
            parts.append(f"{name}-{point_text(value)}")
        else:
            parts.append(f"{name}-{value:g}" if isinstance(value, int | float) else f"{name}-{value}")
    return "-".join(parts)


def slug(text: str) -> str:
    """Text as a folder's name on any system."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.").lower()
    if re.fullmatch(r"[A-Za-z0-9. /_-]*", text) and not re.search(r"--|-$", text):
        return plain
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"  # a sign or a letter was lost
