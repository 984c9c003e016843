"""Tensors are found, in order and by name, in everything that networks return."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from yoto.support.outputs import named_tensors, tensors_in

A, B, C = torch.zeros(1), torch.zeros(2), torch.zeros(3)
Pair = namedtuple("Pair", "first second")


@dataclass
class Record:
    value: object
    rest: object = None


class Slots:
    __slots__ = ("left", "unset")

    def __init__(self, left):
        self.left = left


class Attributes:
    def __init__(self, **values):
        self.__dict__.update(values, owner=self, kind=nn.Linear, net=nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (A, ["output"]),
        ((A, B), ["output", "output_1"]),
        ([A, (B, C)], ["output", "output_1", "output_2"]),
        (OrderedDict(b=A, a=B), ["b", "a"]),
        (Pair(A, B), ["first", "second"]),
        (Record(A, Record((B, C))), ["value", "rest_value_0", "rest_value_1"]),
        (Slots(A), ["left"]),
        (Attributes(loc=A, _scale=B), ["loc", "scale"]),
        ({"a": {"b": A}, "a_b": B}, ["a_b", "a_b_1"]),
        (torch.distributions.Normal(B, B.exp()), ["loc", "scale"]),
        ((None, 3, "text"), []),
        (Record(A, [A]), ["value", "rest_0"]),
    ],
)
def test_tensors_and_their_names(outputs, names):
    assert list(named_tensors(outputs)) == names
    assert len(tensors_in(outputs)) == len(names)
