"""Models for elsewhere: ONNX, torch.export programs, and the weights of a baked network.

A conditional model is exported with λ as an input, one row per sample, or baked at one λ. What was written is run and
compared with eager before the file takes its place.
"""

from __future__ import annotations

import copy
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from yoto.conditioning import Conditional
from yoto.conditioning.binding import refuse_bound
from yoto.conditioning.folding import deviation
from yoto.errors import YotoError
from yoto.support.extras import require
from yoto.support.files import atomic
from yoto.support.formats import FORMATS, Format

LAMBDA = "lambda"
"""Name of the input that holds λ."""
TOLERANCE = 1e-4
"""Largest deviation of an exported model from eager, relative to the largest output."""
SMALLEST_HALVED = 256
"""Tensors of at least so many numbers are stored in half precision by `halve`, as bundles store them."""


class Entry(nn.Module):
    """A method of a network as a module of positional tensors, λ [B, D] last where the network is conditional."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model = model
        self.method = method

    def forward(self, *inputs: Tensor) -> Any:
        """The method's tensors, in order."""
        if isinstance(self.model, Conditional):
            *inputs_only, lam = inputs
            bound = self.model.at(lam)
        else:
            inputs_only, bound = list(inputs), self.model
        function = bound if self.method == "forward" else getattr(bound, self.method)
        outputs = function(*inputs_only)
        tensors = [t for t in pytree.tree_leaves(outputs) if isinstance(t, Tensor)]
        return tensors[0] if len(tensors) == 1 else tuple(tensors)


def export(
    model: nn.Module,
    path: str | os.PathLike[str],
    inputs: Mapping[str, Tensor] | None = None,
    *,
    format: Format | None = None,
    method: str = "forward",
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Write a model as ONNX, as a torch.export program or as plain weights.

    Args:
        model: A `Conditional` (λ becomes the last input, "lambda" [B, D]) or a plain network, baked for instance.
        path: The file; its suffix tells the format unless `format` does.
        inputs: Example tensors by argument name, in the order of the method's arguments, batch first, B ≥ 2.
        format: "onnx", "pt2" (`torch.export.load` reads it) or "safetensors" (plain networks only: `state_dict`).
        method: Which method of the network.
        dynamic: Further dynamic sizes: axis to name, by input. The batch is always dynamic.

    Raises:
        YotoError: For an unknown format, missing example inputs, a network that cannot be exported, or an exported
            model whose outputs deviate from eager by more than 1e-4.
    """
    refuse_bound(model, "export")
    target = Path(path)
    chosen = format or FORMATS.get(target.suffix)
    if chosen not in FORMATS.values():
        raise YotoError(f"`format` should be onnx, pt2 or safetensors, or the file should end so. Found {str(path)!r}.")
    if chosen == "safetensors":
        write_weights(model, target)
        return
    if not inputs:
        raise YotoError("`inputs` should give example tensors for the network's arguments. Found none.")
    if method != "forward" and not hasattr(model.plain if isinstance(model, Conditional) else model, method):
        raise YotoError(f"`method` should be a method of the network. Found {method!r}.")
    examples = {name: tensor.detach() for name, tensor in inputs.items()}
    size = next(iter(examples.values())).shape[0]
    if isinstance(model, Conditional):
        examples[LAMBDA] = model.space.sample(size, torch.Generator().manual_seed(0))
    named = {name: {0: "batch", **(dynamic or {}).get(name, {})} for name in examples}
    entry = Entry(copy.deepcopy(model), method).eval()
    with atomic(target) as temporary, torch.no_grad():
        if chosen == "pt2":
            program = traced(entry, examples, named)
            torch.export.save(program, temporary)
            check_agreement(entry, examples, torch.export.load(temporary).module())
        else:
            write_onnx(entry, examples, named, temporary)


def write_weights(model: nn.Module, path: Path) -> None:
    """The `state_dict` of a plain network as a safetensors file."""
    from safetensors.torch import save_file

    if isinstance(model, Conditional):
        raise YotoError("Plain weights are those of a network at one λ. Give --at (or bake the model first).")
    with atomic(path) as temporary:
        save_file({n: t.detach().cpu().clone().contiguous() for n, t in model.state_dict().items()}, temporary)


def traced(entry: Entry, examples: Mapping[str, Tensor], named: Mapping[str, Mapping[int, str]]) -> Any:
    """The torch.export program with the named axes dynamic."""
    dims = {label: torch.export.Dim(label) for axes in named.values() for label in axes.values()}
    shapes = tuple({axis: dims[label] for axis, label in named[name].items()} for name in examples)
    try:
        return torch.export.export(entry, tuple(examples.values()), dynamic_shapes={"inputs": shapes})
    except Exception as error:
        raise YotoError(f"The network cannot be exported: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """A block in which torch's ONNX exporter says only what the caller can act on."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it reports every optional library that is not installed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the exporter
            yield
    finally:
        logger.setLevel(level)


def write_onnx(
    entry: Entry, examples: Mapping[str, Tensor], named: Mapping[str, Mapping[int, str]], path: Path
) -> None:
    """An ONNX file, run in onnxruntime where that is installed and compared with eager."""
    require("ONNX export", "onnx", "onnxscript")
    program = traced(entry, examples, named)
    shapes = {"inputs": tuple(dict(axes) for axes in named.values())}
    with quiet_exporter():
        onnx = torch.onnx.export(program, input_names=list(examples), dynamic_shapes=shapes, dynamo=True, verbose=False)
    assert onnx is not None
    onnx.save(path, include_initializers=True, external_data=False)
    if find_spec("onnxruntime") is None:
        return
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        arrays = [t.numpy() for t in inputs]
        return tuple(torch.from_numpy(o) for o in session.run(None, dict(zip(names, arrays, strict=True))))

    check_agreement(entry, examples, run)


def check_agreement(entry: Entry, examples: Mapping[str, Tensor], exported: Any) -> None:
    """Refuse an exported model that deviates from eager, at the example's batch size and at another one."""
    for inputs in (list(examples.values()), [torch.cat([t, t[:1]]) for t in examples.values()]):
        expected = pytree.tree_leaves(entry(*inputs))
        found = pytree.tree_leaves(exported(*inputs))
        for eager, other in zip(expected, found, strict=True):
            relative = deviation(other, eager)
            if not relative <= TOLERANCE:
                raise YotoError(
                    f"The exported model should agree with eager. Found a relative deviation of {relative:.1e}. "
                    "Usually the method draws random numbers: export one that does not, or pass the noise as an input."
                )


def strip(graph: Any) -> None:
    """Leave out of an ONNX model where each node came from and the shapes in between: half of a small file."""
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for field in ("value_info", "metadata_props", "doc_string"):
        graph.graph.ClearField(field)
    graph.ClearField("metadata_props")


def halve(graph: Any) -> None:
    """Store an ONNX model's large float32 tensors in half precision; the run time casts each of them back, once."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts, kept = [], []
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.size < SMALLEST_HALVED:
            kept.append(tensor)
            continue
        half = numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}.half")
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
