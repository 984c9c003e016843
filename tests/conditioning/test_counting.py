"""How many samples inputs hold, where their tensors disagree or stand in lists."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
X = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0))


class Graph(nn.Module):
    """What all samples share comes first: the adjacency of five nodes; then features [B, 5, 6]."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, near, x):
        return near @ self.last((near @ self.first(x)).relu())


class Turned(nn.Module):
    """Tables that all samples share come last, and are more than the inputs with samples."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x, cos, sin):
        return self.last(self.first(x).tanh() * cos + x * sin)


class Bags(nn.Module):
    """A list with a tensor for each sample."""

    def __init__(self, join=torch.stack):
        super().__init__()
        self.first, self.last, self.join = nn.Linear(6, 6), nn.Linear(6, 2), join

    def forward(self, bags):
        return self.last(self.first(self.join(list(bags))).relu())


class Levels(nn.Module):
    """A list of features at several levels, each of the whole batch."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, levels):
        return self.last(sum(self.first(level).tanh().mean(1) for level in levels))


def check(model, inputs):
    lam = SPACE.sample(3, torch.Generator().manual_seed(0))
    rows = torch.stack([model(*inputs, at=lam[i])[i] for i in range(3)])
    torch.testing.assert_close(model(*inputs, at=lam), rows)
    assert model.conditioned.names == ("first", "last")


@pytest.mark.parametrize("given", [True, False], ids=["example", "first-call"])
@pytest.mark.parametrize(
    ("network", "inputs"),
    [
        (Graph, (torch.rand(5, 5), X)),
        (Turned, (X, torch.rand(5, 1), torch.rand(5, 1))),
        (Levels, ([X, X[:, :2], X[:, :4]],)),
        (Levels, ([X, X[:, :3]],)),
    ],
    ids=["graph", "tables", "levels", "two-levels"],
)
def test_the_samples_are_found_among_inputs_that_disagree(network, inputs, given):
    model = condition(network(), SPACE, multiplier=1.0, **({"example": inputs} if given else {}))
    check(model, inputs)


def test_one_sample_beside_a_pair_of_something_is_one_sample():
    class Paired(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 2)

        def forward(self, x, pair):
            return self.layer(x) + pair.sum()

    with pytest.raises(YotoError, match="at least two samples along axis 0 of its inputs. Found 1"):
        condition(Paired(), SPACE, example=(X[:1], torch.rand(2, 4)))


@pytest.mark.parametrize(
    ("join", "lengths"),
    [(torch.stack, (3, 3, 3)), (torch.stack, (5, 5, 5)), (torch.cat, (4, 2, 6))],
    ids=["stacked", "stacked, more", "concatenated"],
)
def test_a_list_with_a_tensor_for_each_sample_is_refused_as_an_example(join, lengths):
    bags = [torch.randn(length, 6) for length in lengths]
    with pytest.raises(YotoError, match=r"Found a list of 3 tensors, the first of shape \(\d, 6\)"):
        condition(Bags(join), SPACE, example=(bags,))


@pytest.mark.parametrize("length", [3, 5])
def test_a_first_call_takes_it(length):
    bags = [torch.randn(length, 6) for _ in range(3)]
    model = condition(Bags(), SPACE, multiplier=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(model, (bags,))


class Sparse(nn.Module):
    """Features of nodes [B, 4, 6], and the graph that all samples share."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x, graph):
        return self.last(torch.stack([torch.sparse.mm(graph, row) for row in self.first(x)]))


@pytest.mark.parametrize("kind", [Tensor.to_sparse, Tensor.to_sparse_csr])
@pytest.mark.parametrize("samples", [3, 4], ids=["", "as many as nodes"])
@pytest.mark.parametrize("shown", [False, True], ids=["unseen", "example"])
@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_a_sparse_graph_is_shared_though_it_has_as_many_nodes_as_there_are_samples(kind, samples, shown):
    inputs = torch.randn(samples, 4, 6), kind(torch.eye(4).roll(1, 0))
    model = condition(Sparse(), SPACE, multiplier=1.0, example=inputs if shown else None)
    lam = SPACE.sample(samples, torch.Generator().manual_seed(0))
    together = model(*inputs, at=lam)
    for sample, each in enumerate(lam):
        torch.testing.assert_close(together[sample], model(*inputs, at=each)[sample])
    model.bake(b=0.3, probe=inputs)
