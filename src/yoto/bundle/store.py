"""Writing and reading bundles. A recipe is read only where one is asked for, so that a network of one's own is loaded
without what recipes need.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from yoto.bundle.example import example_parts, holds_example, stored_example
from yoto.bundle.header import EXTRAS, Header, described_layers, metadata_of, read_header
from yoto.errors import YotoError
from yoto.space import LossSpace
from yoto.support import cores, tensors
from yoto.support.directions import Direction, check_direction
from yoto.support.files import write_atomic
from yoto.task import refuse_class

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yoto.conditioning import Conditional
    from yoto.objective import Objective
    from yoto.recipe import Recipe
    from yoto.task import Task

EARLIEST = {"gain": "linear", "skip": False, "fourier": 0}
"""Settings of models that were stored before `condition` had them, whatever its defaults are now."""


class Curve(Protocol):
    """What a bundle needs of a trade-off curve."""

    def to_dict(self) -> dict[str, Any]:
        """The curve as JSON-able values."""
        ...


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle: `model` is a `Conditional`, or a plain network where `header.conditioning` is None.

    `extras` are the tensors that its task stored beside the weights, by name; `registered` says whether the task is the
    one that the bundle names.
    """

    model: nn.Module
    header: Header
    task: Task | None
    extras: dict[str, Tensor]
    registered: bool

    def __repr__(self) -> str:
        return f"Bundle({type(self.model).__name__}, {self.header!r})"

    @property
    def space(self) -> LossSpace:
        """The loss space."""
        return self.header.space

    @cached_property
    def recipe(self) -> Recipe | None:
        """The recipe of the run, checked against its schema, or None."""
        from yoto.recipe import from_dict

        return None if self.header.recipe is None else from_dict(self.header.recipe, check_task=self.registered)

    @cached_property
    def objective(self) -> Objective | None:
        """How the loss was made of its terms, or None where the bundle does not say.

        Raises:
            YotoError: If it was a function of the author's own, which no file holds.
        """
        from yoto.objective import Objective

        said = self.header.objective
        return None if said is None else Objective.from_dict(self.space, said)

    @property
    def curve(self) -> dict[str, Any] | None:
        """The trade-off curve that the bundle was saved with, as `TradeoffCurve.from_dict` takes it, or None."""
        return self.header.curve

    @property
    def example(self) -> dict[str, Any] | None:
        """The example inputs of the network's `forward` by name that the bundle was saved with, or None."""
        return stored_example(self.extras, self.header.example)

    @property
    def conditional(self) -> Conditional[Any]:
        """The model, where it is conditional.

        Raises:
            YotoError: If it was trained for one λ alone.
        """
        from yoto.conditioning import Conditional

        if not isinstance(self.model, Conditional):
            raise YotoError(f"{str(self.header.path)!r} should hold a conditional model. Found one for fixed weights.")
        return self.model


def save(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    space: LossSpace | None = None,
    task: str = "",
    recipe: Recipe | None = None,
    curve: Curve | Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
    extras: Mapping[str, Tensor] | None = None,
    objective: Objective | Mapping[str, Any] | None = None,
    example: Any = None,
    directions: Mapping[str, Direction] | None = None,
    like: Header | None = None,
    half: bool = False,
) -> None:
    """Write a model as a bundle, whole or not at all.

    Args:
        model: A `Conditional`, or a plain network trained for fixed weights (then give `space`).
        task: Registered name of the task, so that `load` can make the network; the recipe's by default.
        recipe: The recipe of the run.
        curve: What `sweep` gave, or its `to_dict()`.
        info: JSON-able facts about the run.
        extras: Further tensors, which `load` gives back as `Bundle.extras`.
        objective: How the loss was made of its terms: the `Objective`, or what its `to_dict` says.
        example: Example inputs of the network, of which two samples are enough: a tensor, a tuple of arguments or a
            mapping by name. They are stored, and make exporting possible where the task gives none.
        directions: Which way terms and metrics are better, by name, beside what the curve says.
        like: The header of a bundle that this one rewrites: what it says and is not given here is kept.
        half: Store float32 weights as float16 (they load as float32 again), but for tensors beyond its range.

    >>> import tempfile
    >>> from torch import nn
    >>> from yoto import LogUniform, condition
    >>> model = condition(nn.Linear(3, 2), LossSpace(fit=1.0, penalty=LogUniform(0.1, 10.0)))
    >>> file = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save(model, file, info={"steps": 300})
    >>> read_header(file).info, read_header(file).space.free
    ({'steps': 300}, ('penalty',))
    """
    from yoto.conditioning import Conditional
    from yoto.conditioning.binding import refuse_bound
    from yoto.conditioning.ranks import refuse_sharded
    from yoto.conditioning.wrappers import unwrapped

    check_saved(model, curve, objective, directions)
    model = unwrapped(model)
    refuse_bound(model, "save")
    refuse_sharded(model, "save")
    given = space or (recipe.loss_space() if recipe else like.space if like is not None else None)
    own = model.space if isinstance(model, Conditional) else given
    if own is None:
        raise YotoError("`space` should be given for a plain network without a recipe.")
    state = model.state_dict()
    inputs, shape = example_parts(model.plain if isinstance(model, Conditional) else model, example)
    extras = {**(extras or {}), **inputs}
    if shape is None and like is not None and not holds_example(extras, like.example):
        shape = {}  # its tensors were not handed on
    told = curve if curve is None or isinstance(curve, Mapping) else curve.to_dict()
    said = {
        "task": task or (recipe.task if recipe else None),
        "recipe": recipe.to_dict() if recipe else None,
        "curve": told,
        "info": info,
        "objective": objective if objective is None or isinstance(objective, Mapping) else objective.to_dict(),
        "directions": {**(told or {}).get("better", {}), **(directions or {})} or None,
        "layers": described_layers(model) if isinstance(model, Conditional) else {},
        "state": tensors.extra_state(state),
        "example": shape,
    }
    metadata = metadata_of(own, rebuilding(model), said, like)
    weights = tensors.only(state)
    stored = {name: tensors.halved(each) for name, each in weights.items()} if half else weights
    stored = {**stored, **{f"{EXTRAS}{name}": tensor for name, tensor in extras.items()}}
    write_atomic(path, tensors.packed(stored, metadata))


def rebuilding(model: nn.Module) -> dict[str, Any] | None:
    """The arguments of `condition` that rebuild a conditional model as it stands; None of a plain network."""
    from yoto.conditioning import Conditional

    if not isinstance(model, Conditional):
        return None
    plain, film = (any(p.requires_grad for p in part.parameters()) for part in (model.plain, model.film))
    return {**model.config, "train": "film"} if film and not plain else model.config


def check_saved(model: Any, curve: Any, objective: Any, directions: Any) -> None:
    """Refuse what `save` is given in the place of a network, a curve, an objective or directions."""
    from torch import nn

    if not isinstance(model, nn.Module):
        raise YotoError(f"`model` should be a network, conditional or plain. Found {type(model).__name__}.")
    for name, value in (("curve", curve), ("objective", objective)):
        if value is not None and not isinstance(value, Mapping) and not hasattr(value, "to_dict"):
            known = {"curve": "a TradeoffCurve", "objective": "a yoto.Objective"}[name]
            raise YotoError(f"`{name}` should be {known}, or what its to_dict gives. Found {type(value).__name__}.")
    for name, way in (directions or {}).items():
        check_direction(repr(name), way, "directions")


def halve(model: nn.Module) -> None:
    """Round every float32 weight to what `save(half=True)` stores, in place, so that facts can be told of those."""
    import torch

    with torch.no_grad():
        for value in tensors.only(model.state_dict()).values():
            value.copy_(tensors.halved(value))


def sha256(path: Path) -> str:
    """The SHA-256 that a bundle says it was written with; it names these weights with all that goes with them."""
    return str((tensors.read_header(path)[0].get("__metadata__") or {}).get("sha256"))


def blob(path: Path, name: str) -> bytes | None:
    """The bytes of one stored tensor, without torch, after checking the file's hash; None if there is no such tensor.

    Raises:
        YotoError: If the file is damaged.
    """
    header, start = tensors.read_header(path)
    if name not in header:
        return None
    data = tensors.read_checked(path, header, start)
    begin, end = header[name]["data_offsets"]
    return data[start + begin : start + end]


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state of a bundle's model and its extras by name, float16 as float32, after checking the file's hash."""
    import torch
    from safetensors.torch import load as deserialise

    header, start = tensors.read_header(path)
    data = tensors.read_checked(path, header, start)
    stored = {n: t.float() if t.dtype == torch.float16 else t for n, t in deserialise(data).items()}
    extras = {name.removeprefix(EXTRAS): tensor for name, tensor in stored.items() if name.startswith(EXTRAS)}
    return {name: tensor for name, tensor in stored.items() if not name.startswith(EXTRAS)}, extras


def load(name_or_path: str | os.PathLike[str], *, task: Task | None = None, net: nn.Module | None = None) -> Bundle:
    """A bundle's model, in evaluation mode, with its task and recipe.

    Args:
        name_or_path: A bundled model's name, a bundle, or a run folder.
        task: The task object, where the bundle's task is not a registered one.
        net: A plain network of the right structure, in place of the task's.

    Raises:
        YotoError: If the file is missing or damaged, the task is unknown, or the weights do not fit the network.

    >>> model = load("vae/fashion-mnist").conditional
    >>> sum(p.numel() for p in model.bake(kl=4.0).parameters())
    159444
    """
    from torch.random import fork_rng

    from yoto.conditioning import condition

    cores.survive_forks()  # the children of whoever computes with it
    header = read_header(name_or_path)
    state, extras = read_state(header.path)
    registered = task is None and net is None
    if registered:
        task = own_task(header)
    if net is None:
        assert task is not None
        refuse_class(task)
        with fork_rng(devices=[]):
            net = task.network()
    model: nn.Module = net
    if header.conditioning is not None:
        with fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"condition\(\): ")  # it was said when the model was made
            try:
                model = condition(net, header.space, **{**EARLIEST, **header.conditioning})
            except YotoError as error:
                raise YotoError(
                    f"{str(header.path)!r} should be of the network that it is loaded into, a {type(net).__name__}. "
                    f"Found: {error}"
                ) from None
    tensors.widen(model, state)
    tensors.restore(model, {**state, **header.state}, str(header.path))
    return Bundle(model.eval(), header, task, extras, registered)


def own_task(header: Header) -> Task:
    """The registered task that a bundle names, with the options of its recipe."""
    from yoto.registry import load_task

    if not header.task:
        given = header.task_class
        of = f"It was trained by {given}: give load(…, task=) such an object, or" if given else "Give"
        raise YotoError(f"{str(header.path)!r} names no task. {of} load(…, net=…) the plain network it was made from.")
    options: Mapping[str, Any] = {}
    if header.recipe is not None:
        from yoto.recipe import from_dict

        options = from_dict(header.recipe).options
    return load_task(header.task, options)
