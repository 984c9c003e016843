"""Photographs and paintings of the style task."""

import torch

from yoto.apps.style.data import load_photographs, painting
from yoto.apps.style.options import StyleOptions


def test_deep_greys_keep_their_levels(deep_greys):
    options = StyleOptions(data=str(deep_greys), crop=64, styles=str(deep_greys / "train"), paintings=["train-1"])
    data = load_photographs(options, "train")
    assert (data.batch(torch.arange(len(data))).mul(255) == 128).all()
    assert (painting(options, "train-1").mul(255) == 128).all()
