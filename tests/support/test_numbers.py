import math

import numpy as np
import pytest
import torch

from yoto.errors import YotoError
from yoto.support.numbers import check_real, check_seed, check_whole, is_number, is_whole, number


@pytest.mark.parametrize("value", [3, -0.5, np.float32(1), np.int64(2), torch.tensor(1.5), torch.tensor([2])])
def test_one_finite_number(value):
    assert is_number(value)


@pytest.mark.parametrize("value", ["3", b"3", True, None, [3], {}, math.nan, math.inf, 1j, 10**400, torch.ones(2)])
def test_no_number(value):
    assert not is_number(value)


def test_whole_numbers():
    assert all(map(is_whole, (0, -3, 10**30, np.int64(2), torch.tensor(3))))
    assert not any(map(is_whole, (True, 2.0, "2", None, torch.tensor(2.0), torch.ones(2))))


def test_a_seed_is_a_whole_number():
    check_seed(2**62)
    with pytest.raises(YotoError, match="`seed` should be a whole number. Found 'a'"):
        check_seed("a")


def test_limits_are_named():
    check_real("rate", 1.0, above=0, most=1)
    check_whole("steps", np.int64(3), 3)
    for wrong, message in (
        (lambda: check_real("rate", 0, above=0), "`rate` should be above 0. Found 0."),
        (lambda: check_real("rate", 1.5, most=1), "`rate` should be at most 1. Found 1.5."),
        (lambda: check_real("rate", math.inf, least=0), "`rate` should be a finite number. Found inf."),
        (lambda: check_whole("steps", 2, 3), "`steps` should be a whole number, at least 3. Found 2."),
        (lambda: check_whole("steps", torch.ones(99)), "`steps` should be a whole number, at least 1. Found Tensor."),
        (lambda: number("kl", "x"), "`kl` should be a number. Found 'x'."),
    ):
        with pytest.raises(YotoError) as caught:
            wrong()
        assert str(caught.value) == message
