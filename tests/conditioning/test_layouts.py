"""Which of several layouts of the samples an output has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.conditioning.layouts import SampleLayout, fitting, told_apart
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))
PLAIN, SECOND = SampleLayout(3, 0), SampleLayout(3, 1)
TILED, REPEATED = SampleLayout(3, 0, "tiled"), SampleLayout(3, 0, "repeated")


@pytest.mark.parametrize(
    ("layouts", "apart"),
    [((PLAIN, TILED), True), ((PLAIN, SECOND), True), ((TILED, REPEATED), False), ((SECOND, TILED), False)],
)
def test_layouts_that_a_shape_tells_apart(layouts, apart):
    assert told_apart(layouts) is apart
    assert told_apart((*layouts[:1], SampleLayout(2, 0, "repeated")))


def test_the_layout_that_fits_an_output():
    assert fitting((TILED, PLAIN), torch.zeros(4, 5, 6), 4, 2) is PLAIN
    assert fitting((TILED, PLAIN), torch.zeros(8, 5, 6), 4, 2) is TILED
    assert fitting((PLAIN, SECOND), torch.zeros(5, 4, 6), 4, 2) is SECOND
    assert fitting((PLAIN, SECOND), torch.zeros(5, 5, 6), 4, 2) is None
    with pytest.raises(YotoError, match="Give a batch of another size"):
        fitting((PLAIN, SECOND), torch.zeros(4, 4, 6), 4, 2)


class Axial(nn.Module):
    """One layer over rows and over columns: the samples lie along axis 0 and along axis 1."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        x = torch.relu(self.layer(x))
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


def test_a_layer_called_along_two_axes():
    torch.manual_seed(0)
    model = condition(Axial(), SPACE, example=torch.randn(3, 5, 6), multiplier=1.0)
    x, lam = torch.randn(4, 7, 6), SPACE.grid(4)
    assert torch.allclose(model(x, at=lam), torch.cat([model(x[i : i + 1], at=lam[i]) for i in range(4)]), atol=1e-6)
    with pytest.raises(YotoError, match="Give a batch of another size"):
        model(torch.randn(4, 4, 6), at=lam)
    assert model(torch.randn(4, 4, 6), at=lam[0]).shape == (4, 4, 6)
