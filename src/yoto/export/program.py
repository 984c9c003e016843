"""torch.export programs, and the comparison of what was exported with eager."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from yoto.conditioning.folding import deviation
from yoto.errors import YotoError
from yoto.export.entry import Entry

FACTS = "yoto"
"""Under this key a file says, as JSON, what its inputs and outputs are."""
TOLERANCE = 1e-4
"""Largest deviation of an exported model from eager, relative to the largest output."""


def traced(entry: Entry) -> Any:
    """The torch.export program with the named axes open, in whatever range of sizes the network takes."""
    labels = {label for axes in entry.axes.values() for label in axes.values()}
    first: Exception | None = None
    for dims in ({label: torch.export.Dim(label) for label in labels}, dict.fromkeys(labels, torch.export.Dim.AUTO)):
        shapes = tuple({axis: dims[label] for axis, label in axes.items()} for axes in entry.axes.values())
        try:
            with silent():
                return torch.export.export(entry, tuple(entry.inputs()), dynamic_shapes={"inputs": shapes})
        except Exception as error:  # noqa: BLE001 - torch raises errors of many kinds
            first = first or error
    raise YotoError(f"The network cannot be exported: {' '.join(str(first).split())[:300]}") from first


@contextmanager
def silent() -> Iterator[None]:
    """A block in which torch neither prints nor logs the graph of what it cannot export: the error says enough."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logger.setLevel(level)


def write_program(entry: Entry, path: Path, facts: Mapping[str, Any]) -> None:
    """A file for `torch.export.load`, with `facts` beside it, compared with eager."""
    torch.export.save(traced(entry), path, extra_files={FACTS: json.dumps(facts)})
    check_agreement(entry, torch.export.load(path).module())


def check_agreement(entry: Entry, exported: Any) -> None:
    """Refuse an exported model that deviates from eager, at the example's batch size and at another one."""
    for inputs, fault in ((entry.inputs(), "run"), (entry.enlarged(), "take any batch size")):
        try:
            expected = pytree.tree_leaves(entry(*(tensor.clone() for tensor in inputs)))
            found = pytree.tree_leaves(exported(*inputs))
        except Exception as error:
            raise YotoError(
                f"The model to export should {fault}. Found: {' '.join(str(error).split())[:200]}. Usually the network "
                "computes with a size as a number."
            ) from error
        for eager, other in zip(expected, found, strict=True):
            relative = deviation(comparable(other), comparable(eager))
            if not relative <= TOLERANCE:
                raise YotoError(
                    f"The exported model should agree with eager. Found a relative deviation of {relative:.1e}. "
                    "Usually the method draws random numbers: export one that does not, or pass the noise as an input."
                )


def comparable(tensor: Tensor) -> Tensor:
    """Numbers that can be subtracted."""
    return tensor if tensor.is_complex() else tensor.double()
