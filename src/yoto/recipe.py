"""Recipes: everything that a training run needs, as one YAML file.

A recipe names no folder; data is found through `YOTO_DATA` or `data=DIR`. Importing this module imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from yoto import registry
from yoto.errors import YotoError, near_misses
from yoto.objective.kinds import scalarisation_from
from yoto.objective.scalarisation import Scalarisation, WeightedSum
from yoto.registry import check_options, option_names, prepared
from yoto.space import Distribution, LossSpace, Sampling, Simplex, Value
from yoto.support.extras import needed

with needed("A recipe"):
    import yaml
    from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

    from yoto.support.schema import validated

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Lists = dict[str, list[float | str | dict[str, float]]]
"""Values by parameter; a `Simplex` by its terms or by mappings, a `Choice` by names or blends."""


class Section(BaseModel):
    """Base of the sections: unknown keys and values of another type are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Conditioning(Section):
    """Arguments of `yoto.condition`."""

    sites: str | list[str] | None = None
    exclude: str | None = None
    hidden: list[Count] = [64]
    layout: Literal["shared", "separate"] = "shared"
    multiplier: Positive = 0.1
    gain: Literal["linear", "exponential"] = "linear"
    skip: bool = False
    fourier: Natural = 3
    raw: bool = False
    batch_dim: Natural = 0
    channel_axis: dict[str, int] = {}


class Training(Section):
    """The loop: budget, optimiser, schedules, and how λ is drawn.

    `lr` is the learning rate of weight matrices and kernels; `adam_lr` that of everything else under Muon (default:
    `lr`), `conditioning_lr` that of the conditioning network (default: `adam_lr`, `lr`); `momentum` is Muon's,
    `betas` and `eps` are Adam's; `lr_factors` multiply the learning rates of the parameters whose whole names match a
    regular expression (the first that does). `tilt` moves P_λ (density ∝ exp(−tilt·u), u the position in the range)
    and `spread` narrows it to that share of its probability about the median; the values of either lie evenly over
    the run, with straight lines between.
    """

    steps: Count
    batch: Count
    optimiser: Literal["muon", "adam", "adamw"] = "muon"
    lr: Positive = 0.01
    adam_lr: Positive | None = None
    conditioning_lr: Positive | None = None
    lr_factors: dict[str, Positive] = {}
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95
    betas: Annotated[list[float], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["cosine", "steps", "constant"] = "cosine"
    final: Annotated[float, Field(ge=0, le=1)] = 0.01
    warmup: Natural = 100
    milestones: list[Natural] = []
    decay: Annotated[float, Field(gt=0, le=1)] = 0.5
    clip: Literal["relative"] | Positive | None = "relative"
    clip_factor: Annotated[float, Field(gt=1)] = 1.5
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    balance: float | Literal["geometric"] | None = 0.25
    sampling: Sampling = "stratified"
    per_batch: bool = False
    tilt: Annotated[list[float], Field(min_length=2)] | None = None
    spread: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2)] | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = False
    accumulate: Count = 1
    checkpoint_every: Count = 1000
    validate_every: Natural = 0
    log_every: Count = 50

    @model_validator(mode="after")
    def fits(self) -> Training:
        if self.batch % self.accumulate:
            raise YotoError(
                f"`training.batch` should be a multiple of `accumulate`. Found {self.batch} and {self.accumulate}."
            )
        return self


class Evaluation(Section):
    """Where and how trade-off curves are measured.

    At `points` by name (lists are zipped, single values repeated), or on a `grid` of so many points along each free
    parameter; over the first `limit` examples of the split.
    """

    points: Lists | None = None
    grid: Count = 13
    batch: Count = 500
    limit: Count | None = None
    seed: int = 0


class Comparison(Section):
    """Separately trained references.

    At which `points`, with which changes to the recipe (`fixed`, dotted keys), and how many seeds.
    """

    points: Lists | None = None
    fixed: dict[str, Any] = {}
    seeds: Count = 1


class Recipe(Section):
    """A training run.

    `task` is a registered name, or "" where the task is given as an object (or with --task). `fixed` gives the free
    parameters of a network that is trained for one λ alone. `objective` is how the terms make a loss:
    `{scalarisation: chebyshev, ideal: 0.0}`, say; the weighted sum if empty.
    """

    name: str
    task: str = ""
    space: dict[str, Any]
    objective: dict[str, Any] = {}
    options: dict[str, Any] = {}
    seed: int = 0
    conditioning: Conditioning = Conditioning()
    fixed: dict[str, float | str | dict[str, float]] | None = None
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
        YotoError: For unknown parameters, values out of range or lists of different lengths.
    """
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


# ---- reading


class Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number, as in YAML 1.2."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)$"),
    list("-+0123456789."),
)


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, and with installed applications, by name as `yoto train` takes it."""
    root = Path(str(files("yoto") / "recipes"))
    folders = {path.name: path for path in root.iterdir() if path.is_dir()} | registry.folders("recipes")
    return {
        f"{name}/{file.stem}": file for name, path in sorted(folders.items()) for file in sorted(path.glob("*.yaml"))
    }


def locate(name_or_path: str | Path) -> Path:
    """The file of a recipe: an existing file (or a run folder's `recipe.yaml`), or a name of `shipped()`."""
    path = Path(name_or_path)
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return path / "recipe.yaml"
    if path.is_file():
        return path
    known = shipped()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    raise YotoError(
        f"A recipe should be a file, a run folder or one of {', '.join(known)}. Found {str(name_or_path)!r}."
        f"{near_misses(str(name_or_path), tuple(known))}"
    )


def read(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by name or file, with `key=value` changes (dotted keys; a task's option also by its bare name).

    Raises:
        YotoError: For an unknown name or key, a value of the wrong type or out of range, or unreadable YAML.

    >>> read("vae/fashion-mnist", ["training.lr=0.02", "options.width=2"]).training.lr
    0.02
    """
    source = locate(name_or_path)
    try:
        data = yaml.load(source.read_text("utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise YotoError(
            f"{str(name_or_path)!r} should be a YAML file. Found: {' '.join(str(error).split())}."
        ) from None
    if not isinstance(data, dict):
        raise YotoError(f"{str(name_or_path)!r} should hold a mapping of recipe keys. Found {type(data).__name__}.")
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise YotoError(f"A change to the recipe should read key=value. Found {override!r}.")
        try:
            value = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
        except yaml.YAMLError:
            value = text
        assign(data, key, value, str(data.get("task", "")))
    return from_dict(data)


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
