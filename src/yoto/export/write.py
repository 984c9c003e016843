"""`yoto.export.export`: a model as a file for other programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from yoto.bundle.example import argument_names
from yoto.conditioning import Conditional
from yoto.conditioning.binding import refuse_bound
from yoto.conditioning.copies import copy_of
from yoto.conditioning.ranks import refuse_sharded
from yoto.conditioning.wrappers import unwrapped
from yoto.errors import YotoError
from yoto.export.entry import LAMBDA, Entry
from yoto.export.onnx import write_onnx
from yoto.export.program import FACTS, write_program
from yoto.space import LossSpace
from yoto.support.files import atomic, check_path
from yoto.support.formats import FORMATS, Format
from yoto.support.tensors import only


def export(
    model: nn.Module,
    path: str | os.PathLike[str],
    inputs: Tensor | tuple[Any, ...] | Mapping[str, Any] | None = None,
    *,
    format: Format | None = None,
    method: str = "forward",
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    per_batch: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a model as ONNX, as a torch.export program or as plain weights.

    The file says under the key "yoto" of its metadata, as JSON, what its inputs and outputs are, in order, and what
    the columns of λ mean: their names and ranges and the loss space.

    Args:
        model: A `Conditional` (λ becomes the last input, "lambda" [B, D]) or a plain network, baked for instance, also
            wrapped (DDP, `torch.compile`).
        path: The file; its suffix tells the format unless `format` does.
        inputs: Example tensors by argument name, B ≥ 2 samples each; one tensor or a tuple of them in the order of the
            arguments. Where no name is one of the method's arguments, all are labels, in the order of the arguments.
            Other values than tensors are settings, which the exported model keeps.
        format: "onnx", "pt2" (`torch.export.load` reads it) or "safetensors" (plain networks only: `state_dict`).
        method: Which method of the network.
        dynamic: Further open sizes: axis to name, by input. The batch is always open; it is dimension 0 unless
            another one is named "batch" here.
        per_batch: λ as one row for the whole batch, "lambda" [D].
        facts: What else the file's metadata should say, JSON-able.

    Raises:
        YotoError: For an unknown format, missing or misnamed example inputs, a network that cannot be exported, or an
            exported model whose outputs deviate from eager by more than 1e-4 (also at another batch size).
    """
    if not isinstance(model, nn.Module):
        raise YotoError(f"`model` should be a network, conditional or plain. Found {type(model).__name__}.")
    check_path(path)
    model = unwrapped(model)
    refuse_bound(model, "export")
    refuse_sharded(model, "export")
    target = Path(path)
    chosen = format or FORMATS.get(target.suffix)
    if chosen not in FORMATS.values():
        raise YotoError(f"`format` should be onnx, pt2 or safetensors, or the file should end so. Found {str(path)!r}.")
    if chosen == "safetensors":
        if isinstance(model, Conditional):
            raise YotoError("Plain weights are those of a network at one λ. Give --at (or bake the model first).")
        save_weights(only(model.state_dict()), target, facts or {})
        return
    given = {} if inputs is None else by_name(model, method, inputs)
    if not given:
        raise YotoError("`inputs` should give example tensors for the network's arguments. Found none.")
    entry = Entry(copy_of(model), method, given, dynamic or {}, per_batch).eval()
    with atomic(target) as temporary, torch.no_grad():
        outputs = list(run(entry))
        said = {**described(entry, outputs), **(facts or {})}
        (write_program if chosen == "pt2" else write_onnx)(entry, temporary, said)


def by_name(model: nn.Module, method: str, inputs: Any) -> dict[str, Any]:
    """Example inputs by name; those without are named as the method's arguments are."""
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if not isinstance(inputs, (Tensor, tuple)):
        raise YotoError(
            "`inputs` should be an example tensor, a tuple of them or a mapping by argument name. "
            f"Found {type(inputs).__name__}."
        )
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    function = getattr(model.plain if isinstance(model, Conditional) else model, method, None)
    return dict(zip(argument_names(function, len(tensors)), tensors, strict=True)) if callable(function) else {"": None}


def run(entry: Entry) -> dict[str, Tensor]:
    """What the method gives for its example, or one line that says why it gives nothing."""
    try:
        return entry.outputs(*entry.inputs())
    except (TypeError, RuntimeError, IndexError) as error:
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in entry.examples.items() if name != LAMBDA)
        raise YotoError(
            f"{entry.method!r} should run on `inputs`, {shapes}. Found: {' '.join(str(error).split())[:200]}."
        ) from error


def described(entry: Entry, outputs: list[str]) -> dict[str, Any]:
    """What a file says of its inputs (shapes, open axes by name), its outputs and the columns of λ."""
    shapes = {
        name: [entry.axes[name].get(axis, size) for axis, size in enumerate(tensor.shape)]
        for name, tensor in entry.examples.items()
    }
    said: dict[str, Any] = {"method": entry.method, "inputs": shapes, "outputs": outputs}
    if isinstance(entry.model, Conditional):
        said[LAMBDA] = columns(entry.model.space)
    return said


def columns(space: LossSpace) -> dict[str, Any]:
    """The columns of λ in order, the least and the largest value of each, and the space they belong to."""
    ranges: dict[str, list[float]] = {}
    for name, distribution in space.parameters.items():
        ends = zip(*distribution.grid(2), strict=True)
        for column, values in zip(distribution.columns(name), ends, strict=True):
            ranges[column] = [round(min(values), 12), round(max(values), 12)]
    return {"columns": list(space.names), "ranges": ranges, "space": space.to_dict()}


def save_weights(state: Mapping[str, Tensor], path: Path, facts: Mapping[str, Any]) -> None:
    """The state of a plain network as a safetensors file."""
    from safetensors.torch import save_file

    with atomic(path) as temporary:
        tensors = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in state.items()}
        save_file(tensors, temporary, {FACTS: json.dumps(facts)} if facts else None)
