"""λ by name or as numbers under `torch.compile`: one graph."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(fit=1.0, reg=LogUniform(0.01, 10.0))
VALUES = torch.linspace(0.02, 9, 12).tolist()
WAYS = {
    "by name": lambda net, x, v: net(x, at={"reg": v}),
    "as a keyword": lambda net, x, v: net(x, reg=v),
    "as numbers": lambda net, x, v: net(x, at=[1.0, v]),
    "as a tensor": lambda net, x, v: net(x, at=SPACE.point(reg=v)),
}


@pytest.fixture
def model():
    torch._dynamo.reset()
    return condition(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)), SPACE)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("fullgraph", [False, True])
def test_one_compilation_for_all_values(model, way, fullgraph):
    from torch._dynamo.testing import CompileCounter

    counter, x = CompileCounter(), torch.randn(4, 8)
    compiled = torch.compile(model, backend=counter, fullgraph=fullgraph)
    for value in VALUES:
        assert torch.allclose(way(compiled, x, value), way(model, x, value))
    assert counter.frame_count == 1


def test_inside_another_graph_nothing_breaks(model):
    x = torch.randn(4, 8)
    compiled = torch.compile(lambda x, lam: 2 * model(x, at=lam), backend="eager", fullgraph=True)
    lam = SPACE.sample(4)
    assert torch.allclose(compiled(x, lam), 2 * model(x, at=lam))


def test_a_value_outside_the_range_is_refused_compiled_too(model):
    compiled = torch.compile(model, backend="eager")
    with pytest.raises(YotoError, match="should lie in"):
        compiled(torch.randn(4, 8), at={"reg": 100.0})
    assert compiled(torch.randn(4, 8), at={"reg": 100.0}, extrapolate=True).shape == (4, 2)


def test_copies_compile_once_too(model):
    from torch._dynamo.testing import CompileCounter

    x = torch.randn(4, 8)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch._dynamo.reset()
        counter = CompileCounter()
        compiled = torch.compile(again, backend=counter)
        for value in VALUES[:3]:
            assert torch.allclose(compiled(x, reg=value), model(x, reg=value))
        assert counter.frame_count == 1


def test_conditioning_does_not_load_the_compiler():
    program = "import sys, yoto.conditioning; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
