"""Pickles that nothing is executed of, and failures in one line."""

import gzip
import os
import pickle

import numpy as np
import pytest

from yoto.data.untrusted import ForeignNameError, check_bytes, read_pickle, shape_text, whole
from yoto.errors import YotoError


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4", "<i8", "?"])
def test_arrays_of_numbers_come_out_as_they_went_in(protocol, dtype):
    array = (np.random.default_rng(0).normal(size=(3, 4, 2)) * 9).astype(dtype)
    content = {"a": [array, array.T.copy()], 2: (array[:, 1], 1.5, None)}
    found = read_pickle(pickle.dumps(content, protocol), "latin1")
    for one, other in zip([*found["a"], found[2][0]], [*content["a"], content[2][0]], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert found[2][1:] == (1.5, None)


def test_arrays_stored_by_columns_are_read():
    array = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(read_pickle(pickle.dumps(array, 2), "bytes"), array)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_is_looked_up(tmp_path):
    data = pickle.dumps([np.zeros(3), Attack(str(tmp_path / "harm"))], 2)
    with pytest.raises(ForeignNameError, match="mkdir, which was not looked up") as caught:
        read_pickle(data, "latin1")
    assert caught.value.name.endswith(".mkdir")
    assert not (tmp_path / "harm").exists()


def test_arrays_of_objects_are_refused():
    with pytest.raises(ValueError, match="an array of the type 'O"):
        read_pickle(pickle.dumps(np.array([None, "x"], dtype=object), 2), "latin1")


def test_bytes_of_another_shape_are_refused():
    check_bytes(np.zeros((2, 3), np.uint8), (2, 3), "It")
    message = r"It should hold bytes of shape 2x3\. Found: float32 of shape 2x3\. Give more"
    with pytest.raises(YotoError, match=message):
        check_bytes(np.zeros((2, 3), np.float32), (2, 3), "It", " Give more")
    with pytest.raises(YotoError, match="of shape 3x2"):
        check_bytes(np.zeros((3, 2), np.uint8), (2, 3), "It")
    assert shape_text((10, 64, 3)) == "10x64x3"


def test_damaged_and_missing_files_are_named(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(9999))[:20])

    def read(name):
        with whole(tmp_path / name, "a whole one", "readable"), gzip.open(tmp_path / name) as file:
            file.read()

    with pytest.raises(YotoError, match=r"a\.gz' should be a whole one. Found: damaged"):
        read("a.gz")
    with pytest.raises(YotoError, match=r"b\.gz' should be readable. Found: No such file"):
        read("b.gz")
