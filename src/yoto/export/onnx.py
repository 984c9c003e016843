"""ONNX files: written by torch's exporter, and run in onnxruntime where that is installed."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from yoto.export.entry import Entry
from yoto.export.program import FACTS, check_agreement, traced
from yoto.support.extras import require
from yoto.support.onnx import onnxruntime

SMALLEST_HALVED = 256
"""Tensors of at least so many numbers are stored in half precision by `halve`, as bundles store them."""


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


def write_onnx(entry: Entry, path: Path, facts: Mapping[str, Any]) -> None:
    """An ONNX file with named inputs and outputs and `facts` in its metadata, compared with eager."""
    require("ONNX export", "onnx", "onnxscript")
    program = traced(entry)
    with quiet_exporter():
        onnx = torch.onnx.export(
            program,
            input_names=list(entry.examples),
            output_names=list(facts["outputs"]),
            dynamic_shapes={"inputs": tuple(dict(axes) for axes in entry.axes.values())},
            dynamo=True,
            verbose=False,
        )
    assert onnx is not None
    onnx.model.metadata_props[FACTS] = json.dumps(facts)
    onnx.save(path, include_initializers=True, external_data=False)
    if find_spec("onnxruntime") is None:
        return
    session = onnxruntime().InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    used = {i.name for i in session.get_inputs()}

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        arrays = {name: t.numpy() for name, t in zip(entry.examples, inputs, strict=True) if name in used}
        return tuple(torch.from_numpy(o) for o in session.run(None, arrays))

    check_agreement(entry, run)


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
