"""Export of the plain network by `torch.export`, and of the conditional one by `yoto.export`."""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from networks.outputs import Inputs, deviation, largest, tensors
from networks.report import Result, StageError
from networks.running import fresh, lambdas, liven
from yoto.export import export

if TYPE_CHECKING:
    from networks.harness import Check

TOLERANCE = 1e-4


class Tensors(nn.Module):
    """A network with a dictionary of tensors as its output."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, values: Any) -> dict[str, Tensor]:
        """The network's floating tensors by name."""
        return tensors(self.net(**values) if isinstance(values, dict) else self.net(*values))


def longer(inputs: Inputs) -> Inputs:
    """A batch of one sample more."""
    return inputs.take([*range(inputs.size), 0])


@torch.no_grad()
def plain(state: Check) -> Result:
    """`torch.export` of the plain network with a dynamic batch, compared with eager at another batch size."""
    inputs = state.case.inputs
    net = Tensors(liven(fresh(state.case)))
    batch = torch.export.Dim("batch")
    counter = iter(range(10**6))

    def shape(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return None
        return None if next(counter) in inputs.shared else {inputs.batch_dim: batch}

    shapes = torch.utils._pytree.tree_map(shape, inputs.values)
    program = torch.export.export(net, (inputs.values,), dynamic_shapes={"values": shapes}).module()
    other = longer(inputs)
    worst, name = largest(program(other.values), net(other.values))
    return Result("ok" if worst <= TOLERANCE else "wrong", worst, f"{worst:.1e} at {name}")


@torch.no_grad()
def conditional(state: Check) -> Result:
    """`yoto.export` as pt2, loaded and compared with eager at another batch size."""
    examples = by_name(state.case.make, state.case.inputs)
    if not all(isinstance(value, Tensor) for value in examples.values()):
        raise StageError("unchecked", "an input is no tensor")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        axis = state.case.inputs.batch_dim
        export(state.model, path, examples, dynamic={name: {axis: "batch"} for name in examples} if axis else None)
        program = torch.export.load(path)
    other = longer(state.case.inputs)
    lam = lambdas(other.size).float()
    values = {**by_name(state.case.make, other), "lambda": lam}
    found = called(program, values)
    torch.manual_seed(0)
    arguments = ((), other.values) if isinstance(other.values, dict) else (other.values, {})
    expected = state.model(*arguments[0], at=lam, **arguments[1])
    eager = list(tensors(expected).values())
    outputs = [t for t in torch.utils._pytree.tree_leaves(found) if is_number(t)]
    if len(outputs) < len([t for t in torch.utils._pytree.tree_leaves(expected) if is_number(t)]) or not outputs:
        raise StageError("wrong", f"{len(outputs)} outputs")
    # Some outputs (caches) are objects, whose tensors may come in another order: each is compared with its nearest.
    worst = max(min(deviation(output, tensor) for tensor in eager) for output in outputs)
    return Result("ok" if worst <= TOLERANCE else "wrong", worst, f"{worst:.1e}")


def is_number(value: Any) -> bool:
    """Whether a value is a floating tensor."""
    return isinstance(value, Tensor) and value.is_floating_point()


def by_name(make: Callable[[], nn.Module], inputs: Inputs) -> dict[str, Any]:
    """The inputs by argument name."""
    if isinstance(inputs.values, dict):
        return dict(inputs.values)
    try:
        names = list(inspect.signature(make().forward).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"input{i}" for i in range(len(names), len(inputs.values))]
    return dict(zip(names, inputs.values, strict=False))


def called(program: Any, values: Mapping[str, Any]) -> Any:
    """An exported program on inputs by name, however it takes them."""
    _, kwargs = program.call_spec.in_spec.children()
    module = copy.copy(program).module()
    return module(**values) if kwargs.num_children else module(*values.values())


STAGES: dict[str, Callable[[Check], Result]] = {"plain export": plain, "export": conditional}
