"""Photographs of the compression task."""

import torch

from yoto.apps.codec.data import load_photographs
from yoto.apps.codec.options import CompressionOptions


def test_deep_greys_keep_their_levels(deep_greys):
    data = load_photographs(CompressionOptions(data=str(deep_greys), crop=64), "train")
    assert (data.batch(torch.arange(len(data))).mul(255) == 128).all()
