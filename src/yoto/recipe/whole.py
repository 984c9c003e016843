"""A recipe: everything that a training run needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from yoto.errors import YotoError, near_misses
from yoto.objective.kinds import scalarisation_from
from yoto.objective.scalarisation import Scalarisation, WeightedSum
from yoto.recipe.sections import Comparison, Conditioning, Evaluation, Section, Training
from yoto.registry import check_options, option_names, prepared
from yoto.space import Distribution, LossSpace, Simplex, Value
from yoto.support.extras import needed

with needed("A recipe"):
    import yaml
    from pydantic import Field, ValidationInfo, field_validator
    from pydantic_core import to_jsonable_python

    from yoto.support.schema import validated


class Recipe(Section):
    """A training run."""

    name: str
    """What the run is called; its folder is runs/NAME."""
    task: str = ""
    """A registered application, or "" for one that is given as an object or with --task."""
    space: dict[str, Any]
    """The loss parameters: numbers, or distributions with their settings."""
    objective: dict[str, Any] = Field(default={})
    """How the terms make a loss, such as `{scalarisation: chebyshev, ideal: 0.0}`; empty: the weighted sum."""
    options: dict[str, Any] = Field(default={})
    """Options of the task."""
    seed: int = 0
    """Of all random numbers of the run."""
    conditioning: Conditioning = Conditioning()
    fixed: dict[str, float | str | dict[str, float]] | None = None
    """The free parameters of a network that is trained for one λ alone; null: a conditional one."""
    training: Training
    evaluation: Evaluation = Evaluation()
    comparison: Comparison = Comparison()

    @field_validator("space", mode="before")
    @classmethod
    def plain_space(cls, value: Any) -> Any:
        """Distributions as mappings, so that the recipe can be written and read back."""
        if not isinstance(value, Mapping):
            return value
        return {name: entry.to_dict() if isinstance(entry, Distribution) else entry for name, entry in value.items()}

    @field_validator("objective", "options")
    @classmethod
    def as_stored(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """What the recipe's file gives back, so that a task has the same options when it trains and ever after."""
        try:
            plain: dict[str, Any] = to_jsonable_python(value)
            json.dumps(plain, allow_nan=False)
        except ValueError as error:
            raise YotoError(
                f"`{info.field_name}` should hold what a file can: text, finite numbers, lists, mappings. {error}."
            ) from None
        return plain

    def loss_space(self) -> LossSpace:
        """The loss space that `space` describes."""
        return LossSpace.from_dict(self.space)

    def scalarisation(self) -> Scalarisation:
        """What `objective` names."""
        settings = dict(self.objective)
        return scalarisation_from(settings.pop("scalarisation", WeightedSum.kind), settings)

    def evaluation_points(self) -> list[dict[str, Value]] | None:
        """Points of `evaluation.points` as complete settings of the free parameters, or None for the grid."""
        return None if self.evaluation.points is None else points(self.loss_space(), self.evaluation.points)

    def comparison_points(self) -> list[dict[str, Value]] | None:
        """Points of `comparison.points`, else those of the evaluation."""
        if self.comparison.points is None:
            return self.evaluation_points()
        return points(self.loss_space(), self.comparison.points)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return self.model_dump(mode="json")

    def dump(self) -> str:
        """The whole recipe, defaults included, as YAML."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)

    def replace(self, overrides: Mapping[str, Any]) -> Recipe:
        """A copy with other values at dotted keys."""
        data = self.to_dict()
        for key, value in overrides.items():
            assign(data, key, value, self.task)
        return from_dict(data)


def points(space: LossSpace, lists: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Lists of values by parameter, zipped, to settings of all free parameters; the others at their median.

    Raises:
        YotoError: For unknown parameters, values out of range, none, or lists of different lengths.
    """
    if not lists:
        raise YotoError("`points` should have values of a loss parameter, or be null, which is the grid. Found none.")
    terms = {t for d in space.parameters.values() if isinstance(d, Simplex) for t in d.terms}
    for name, entries in lists.items():
        if name not in space.free and name not in terms:
            if not space.free:
                raise YotoError(
                    f"`space` should have a free parameter. Found only fixed ones: {', '.join(space.names)}. "
                    f"Usually: a range was replaced by a number; fixed={{{name}: …}} trains for one value of it."
                )
            known, constant = ", ".join(space.free), " It is a constant." if name in space.fixed else ""
            raise YotoError(
                f"{name!r} should be a free loss parameter: {known}.{constant}{near_misses(name, space.free)}"
            )
        if not entries:
            raise YotoError(f"The values of {name!r} should not be empty.")
    lengths = {name: len(entries) for name, entries in lists.items()}
    length = max(lengths.values(), default=0)
    if any(n not in (1, length) for n in lengths.values()):
        raise YotoError(f"Lists of values should have one length. Found {lengths}.")
    result = []
    for i in range(length):
        row: dict[str, Value] = {n: entries[i if len(entries) > 1 else 0] for n, entries in lists.items()}
        for name in space.free:
            distribution = space.parameters[name]
            if name not in row and not any(c in row for c in distribution.columns(name)):
                row |= distribution.describe(name, distribution.median())
        space.check(row)
        result.append(row)
    return result


def assign(data: dict[str, Any], key: str, value: Any, task: str) -> None:
    """Set a dotted key of a recipe's mapping; a bare name that is a task's option goes to `options`."""
    parts = key.split(".")
    if len(parts) == 1 and key not in Recipe.model_fields:
        options = option_names(task) if task else ()
        if key not in options:
            known = [*Recipe.model_fields, *options, *(f"training.{f}" for f in Training.model_fields)]
            raise YotoError(f"Unknown recipe key {key!r}.{near_misses(key, known)}")
        parts = ["options", key]
    for part in parts[:-1]:
        inner = data.setdefault(part, {})
        if inner is None:
            inner = data[part] = {}
        if not isinstance(inner, dict):
            raise YotoError(f"Recipe key {key!r} should lead through mappings. Found a value at {part!r}.")
        data = inner
    data[parts[-1]] = value


def from_dict(data: Mapping[str, Any], check_task: bool = True) -> Recipe:
    """A checked recipe from its mapping: schema, loss space, task options, fixed values and points.

    Args:
        check_task: Whether the task's name and options are checked; not where the task comes as an object.
    """
    if not isinstance(data, Mapping):
        raise YotoError(f"A recipe should be a mapping of its keys. Found {type(data).__name__}.")
    recipe = validated(Recipe, prepared(str(data.get("task")), data) if check_task else data, "recipe")
    space = recipe.loss_space()
    recipe.scalarisation().over(space.weights)
    if recipe.task and check_task:
        check_options(recipe.task, recipe.options)
    if recipe.fixed is not None:
        space.check(recipe.fixed)
    recipe.evaluation_points()
    recipe.comparison_points()
    for key in recipe.comparison.fixed:
        if key.split(".")[0] not in Recipe.model_fields:
            raise YotoError(f"recipe: `comparison.fixed` should hold dotted recipe keys. Found {key!r}.")
    return recipe


def differences(a: Recipe, b: Recipe) -> list[str]:
    """Dotted keys at which two recipes differ."""

    def flat(data: Any, prefix: str = "") -> dict[str, Any]:
        if isinstance(data, dict) and data:
            return {k: v for key, value in data.items() for k, v in flat(value, f"{prefix}{key}.").items()}
        return {prefix.rstrip("."): data}

    left, right = flat(a.to_dict()), flat(b.to_dict())
    return [k for k in {**left, **right} if left.get(k, ...) != right.get(k, ...)]
