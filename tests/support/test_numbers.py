import math

import numpy as np
import pytest
import torch

from yoto.errors import YotoError
from yoto.support.numbers import check_seed, is_number, is_whole


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
